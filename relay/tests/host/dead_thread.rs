//! A packet thread dies under a call: both parties hear of it, everybody who watches is told, the
//! call on the other thread does not notice, and the thread comes back. F1.
use crate::support::*;
use patchbay_relay::Relay;
use patchbay_relay::engine::Drill;
use patchbay_route::session::{Capacity, EndCause, Ended, EndedBy, SessionList};
use patchbay_route::transfer::{TransferTarget, sign};
use patchbay_sip::{HeaderName, Message, Method, Transport};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Long enough to be seen dead by one who asks now and then.
const DEAD_FOR: Duration = Duration::from_secs(2);

/// A phone with signalling and media.
struct Party {
    name: &'static str,
    sip: Phone,
    rtp: UdpSocket,
}

impl Party {
    async fn new(name: &'static str, relay: &Relay) -> Party {
        let rtp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        rtp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let sip = Phone::new(relay.sip(Transport::Udp).unwrap()).await;
        Party { name, sip, rtp }
    }

    fn here(&self) -> SocketAddr {
        self.sip.socket.local_addr().unwrap()
    }

    /// The next message of that name, a method or a status; what else comes is passed over.
    async fn expect(&self, what: &str) -> Message {
        let mut buffer = [0; 4096];
        loop {
            let received = tokio::time::timeout(PATIENCE, self.sip.socket.recv(&mut buffer)).await;
            let length = received.expect(what).unwrap();
            let message = Message::parse(buffer[..length].to_vec().into()).unwrap();
            if name(&message) == what {
                return message;
            }
        }
    }

    async fn send(&self, message: &Message) {
        self.sip.socket.send(&message.encode()).await.unwrap();
    }

    fn with_sdp(&self, mut message: Message) -> Message {
        let port = self.rtp.local_addr().unwrap().port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        );
        message.set_body("application/sdp", sdp.into_bytes());
        let contact = format!("<sip:{}@{}>", self.name, self.here());
        message.headers.set(HeaderName::Contact, contact);
        message
    }
}

fn name(message: &Message) -> String {
    match message.method() {
        Some(method) => method.as_str().to_owned(),
        None => message.status().unwrap().to_string(),
    }
}

/// A message of control that is not about anything else.
async fn at_control(control: &mut Stream, what: &str) -> Message {
    loop {
        let message = control.next().await.unwrap();
        if name(&message) == what {
            return message;
        }
    }
}

/// What control makes of a forwarded INVITE.
fn transfer(forwarded: &Message, agent: &Party) -> Message {
    let target = TransferTarget {
        agent_uri: format!("sip:{}@{}", agent.name, agent.here()),
        path: None,
        aor: None,
        agent_id: agent.name.into(),
        contact: format!("contact of {}", agent.name),
        offer: format!("offer to {}", agent.name),
        notice: false,
        hears: None,
        joins: false,
    };
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let call_id = forwarded.call_id().unwrap();
    let from_tag = forwarded.from_tag().unwrap();
    let expires = unix.as_secs() + 60;
    let uri = sign(SECRET.as_bytes(), &target, call_id, &from_tag, expires);
    let mut transfer = forwarded.clone();
    transfer.set_uri(uri);
    let via = format!("SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK{}", agent.name);
    transfer.headers.push_front(HeaderName::Via, via);
    transfer
}

/// Where a description wants its audio.
fn media_of(message: &Message) -> SocketAddr {
    let text = String::from_utf8_lossy(&message.body).into_owned();
    let port = text.lines().find_map(|line| line.strip_prefix("m=audio "));
    let port = port.unwrap().split(' ').next().unwrap().parse().unwrap();
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A call that stands.
struct Call {
    caller: Party,
    agent: Party,
    to_agent: SocketAddr,
    to_caller: SocketAddr,
}

impl Call {
    async fn new(bed: &Bed, control: &mut Stream, names: [&'static str; 2]) -> Call {
        let caller = Party::new(names[0], &bed.relay).await;
        let agent = Party::new(names[1], &bed.relay).await;
        let (here, who) = (caller.here(), caller.name);
        let invite = format!(
            "INVITE sip:support@relay SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{who}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{who}@{here}>;tag={who}\r\nTo: <sip:support@relay>\r\n\
             Call-ID: call of {who}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
        .replace("call of ", "call-of-");
        let invite = Message::parse(invite.into_bytes().into()).unwrap();
        caller.send(&caller.with_sdp(invite)).await;
        let forwarded = at_control(control, "INVITE").await;
        control.send(&transfer(&forwarded, &agent)).await;
        let offer = agent.expect("INVITE").await;
        let mut ok = Message::response_to(&offer, 200, "OK");
        ok.set_to_tag(agent.name);
        agent.send(&agent.with_sdp(ok)).await;
        let mut passed = at_control(control, "200").await;
        passed.headers.remove_first(HeaderName::Via);
        control.send(&passed).await;
        let answered = caller.expect("200").await;
        caller.send(&ack(&answered, here)).await;
        agent.expect("ACK").await;
        Call {
            to_agent: media_of(&answered),
            to_caller: media_of(&offer),
            caller,
            agent,
        }
    }

    /// One packet each way, each waited for.
    fn carries(&self, data: &[u8]) {
        let both = [
            (&self.caller.rtp, self.to_agent, &self.agent.rtp),
            (&self.agent.rtp, self.to_caller, &self.caller.rtp),
        ];
        for (from, to, at) in both {
            from.send_to(data, to).unwrap();
            let mut buffer = [0; 64];
            let length = at.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], data);
        }
    }
}

fn ack(answered: &Message, via: SocketAddr) -> Message {
    let contacts = answered.contacts().unwrap();
    let mut ack = Message::request(Method::Ack, contacts.first().unwrap().uri.to_string());
    let via = format!("SIP/2.0/UDP {via};branch=z9hG4bKack");
    ack.headers.push(HeaderName::Via, via);
    ack.headers.push(HeaderName::MaxForwards, "70");
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
        let value = answered.headers.get(name.clone()).unwrap();
        ack.headers.push(name, value);
    }
    ack.headers.push(HeaderName::CSeq, "1 ACK");
    ack
}

async fn metric(bed: &Bed, line: &str) -> bool {
    let text = bed.get("/metrics").await.text().await.unwrap();
    text.lines().any(|shown| shown == line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_packet_thread_ends_its_calls_and_no_others_and_comes_back() {
    let file = format!("patchbay-dead-thread-{}.jsonl", std::process::id());
    let file = std::env::temp_dir().join(file);
    let journal = file.clone();
    let bed = Bed::with(|config| {
        config.engine.threads = 2;
        config.engine.ports = 18_200..=18_299;
        config.engine.restart_after = DEAD_FOR;
        config.journal = Some(journal);
    })
    .await;
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let lost = Call::new(&bed, &mut control, ["alice", "anna"]).await;
    let kept = Arc::new(Call::new(&bed, &mut control, ["bob", "bert"]).await);
    lost.carries(b"before");
    let pairs: Vec<_> = bed.relay.engine.health().iter().map(|t| t.pairs).collect();
    assert_eq!(pairs, [1, 1]);

    let done = Arc::new(AtomicBool::new(false));
    let talking = std::thread::spawn({
        let (kept, done) = (kept.clone(), done.clone());
        move || {
            let mut exchanged = 0_u64;
            while !done.load(SeqCst) {
                kept.carries(&exchanged.to_be_bytes());
                exchanged += 1;
            }
            exchanged
        }
    });
    bed.relay.engine.drill(0, Drill::Panic);
    for party in [&lost.caller, &lost.agent] {
        let bye = party.expect("BYE").await;
        let reason = bye.headers.get(HeaderName::Reason).unwrap();
        assert!(reason.contains("Media Relay Failed"), "{reason}");
        party.send(&Message::response_to(&bye, 200, "OK")).await;
    }
    bed.until_ready(false).await;
    let answer = reqwest::get(bed.url("/readyz")).await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("packet thread 0 has died and is being restarted"),
        "{text}"
    );
    let capacity: Capacity = bed.get("/relay/v1/capacity").await.json().await.unwrap();
    assert_eq!((capacity.threads, capacity.threads_down), (2, 1));
    assert!(metric(&bed, "patchbay_engine_thread_alive{thread=\"0\"} 0").await);
    assert!(metric(&bed, "patchbay_engine_thread_alive{thread=\"1\"} 1").await);

    bed.until_ready(true).await;
    let capacity: Capacity = bed.get("/relay/v1/capacity").await.json().await.unwrap();
    assert_eq!((capacity.threads_down, capacity.thread_restarts), (0, 1));
    assert!(
        metric(
            &bed,
            "patchbay_engine_thread_restarts_total{thread=\"0\"} 1"
        )
        .await
    );
    let next = Call::new(&bed, &mut control, ["carl", "cora"]).await;
    next.carries(b"on the thread that came back");
    assert_eq!(bed.relay.engine.health()[0].pairs, 1);

    done.store(true, SeqCst);
    assert!(talking.join().unwrap() > 0, "the other call went on");
    let list: SessionList = bed.get("/relay/v1/sessions").await.json().await.unwrap();
    let mut agents: Vec<_> = list.sessions.iter().map(|s| s.agent.as_str()).collect();
    agents.sort_unstable();
    assert_eq!(agents, ["bert", "cora"]);
    drop(control);
    bed.relay.shutdown(Duration::ZERO).await;
    let written = std::fs::read_to_string(&file).unwrap();
    let _ = std::fs::remove_file(&file);
    let first: Ended = serde_json::from_str(written.lines().next().unwrap()).unwrap();
    assert_eq!(first.of.agent, "anna");
    assert_eq!(
        (first.by, first.cause),
        (EndedBy::Relay, EndCause::MediaLost)
    );
    let leg = &first.pairs[0].client;
    assert_eq!((leg.packets, leg.bytes), (1, 6), "its counters are kept");
}
