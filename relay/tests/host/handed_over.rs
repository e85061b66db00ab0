//! What a relay host finds at its start that the process before has left. B1, F4.
use crate::support::*;
use patchbay_relay::RelayConfig;
use patchbay_relay::host::MAX_HAND_OVER_AGE;
use patchbay_relay::session::handover::{
    DialogState, FlowState, LegState, MediaTerms, RowState, SessionState,
};
use patchbay_relay::session::{HAND_OVER_VERSION, HandOver};
use patchbay_route::handover::PairHandover;
use patchbay_route::pair::{LocalAddrs, Remote};
use patchbay_route::session::{SessionList, SessionRef};
use patchbay_sip::{Message, Method, Transport};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A data folder, which goes away at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchbay-handed-over-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn state(&self) -> PathBuf {
        self.0.join("hand-over.json")
    }

    fn journal(&self) -> PathBuf {
        self.0.join("sessions.jsonl")
    }

    fn configure(&self, config: &mut RelayConfig) {
        config.hand_over = Some(self.state());
        config.journal = Some(self.journal());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Four ports in a row, from an even one, that nobody has.
fn free_ports() -> u16 {
    let bind = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
    let free = |first: &u16| (*first..first + 4).all(|port| bind(port).is_ok());
    let start = 20_000 + u16::try_from(std::process::id() % 4_000).unwrap() * 8;
    let mut candidates = (start..59_000).chain(20_000..start).step_by(4);
    candidates.find(free).expect("free ports")
}

fn leg(tag: &str, phone: SocketAddr) -> LegState {
    LegState {
        tag: tag.into(),
        call_id: format!("call of {tag}"),
        dialog: DialogState {
            local_uri: format!("<sip:relay@127.0.0.1>;tag={tag}"),
            remote_uri: "<sip:phone@127.0.0.1>;tag=theirs".into(),
            remote_tag: "theirs".into(),
            remote_target: format!("sip:phone@{phone}"),
            route_set: Vec::new(),
            local_cseq: 4,
            remote_cseq: Some(7),
        },
        flow: FlowState {
            tcp: false,
            transport: 0,
            // Bound anew, to another port.
            local: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            remote: phone,
            connection: 0,
        },
        pinned: false,
        owes_ack: None,
        timer: None,
        updates: false,
        sips: false,
        called: false,
    }
}

/// A call between two phones, left that long ago.
fn left(caller: SocketAddr, agent: SocketAddr, ago: Duration) -> HandOver {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - ago;
    let now = u64::try_from(now.as_millis()).unwrap();
    let first = free_ports();
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let local = |rtp| LocalAddrs {
        rtp: at(rtp),
        rtcp: at(rtp + 1),
    };
    let remote = |phone: SocketAddr| Remote::new(phone, phone, phone.ip(), Duration::from_secs(9));
    let pair = PairHandover {
        local: [local(first), local(first + 2)],
        remotes: [Some(remote(caller)), Some(remote(agent))],
        counters: Default::default(),
    };
    let session = SessionState {
        of: SessionRef {
            session: "00000000000000aa".into(),
            contact: "c1".into(),
            offer: "o1".into(),
            agent: "anna".into(),
        },
        agent_uri: format!("sip:phone@{agent}"),
        started_unix_ms: now - 30_000,
        answered_unix_ms: now - 20_000,
        caller: leg("caller", caller),
        agent_leg: leg("agent", agent),
        media: MediaTerms {
            rows: vec![Some(RowState {
                medium: "audio".into(),
                remote: [Some(caller), Some(agent)],
                pair: Some(pair),
            })],
            ..MediaTerms::default()
        },
        detached: false,
    };
    HandOver {
        version: HAND_OVER_VERSION,
        written_unix_ms: now,
        sessions: vec![session],
        transfers: Vec::new(),
    }
}

fn write(folder: &Folder, state: &HandOver) {
    let json = serde_json::to_vec(state).unwrap();
    std::fs::write(folder.state(), json).unwrap();
}

async fn sessions(bed: &Bed) -> SessionList {
    bed.get("/relay/v1/sessions").await.json().await.unwrap()
}

/// The lines of a journal, once there is one.
async fn journal(file: &Path) -> Vec<serde_json::Value> {
    let lines = async {
        loop {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if text.ends_with('\n') {
                let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
                return lines.collect();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, lines).await.expect("a line")
}

async fn bed(folder: &Folder) -> Bed {
    Bed::with(|config| folder.configure(config)).await
}

/// A phone whose socket stands before there is a relay.
struct Party(UdpSocket);

impl Party {
    fn new() -> Party {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Party(socket)
    }

    fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next message.
    async fn hears(&self) -> Message {
        let socket = self.0.try_clone().unwrap();
        let heard = tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer).expect("a message");
            Message::parse(buffer[..length].to_vec().into()).unwrap()
        });
        heard.await.unwrap()
    }
}

#[tokio::test]
async fn a_call_that_was_left_is_in_the_first_list_and_ends_as_any_other() {
    let folder = Folder::new();
    let (caller, agent) = (Party::new(), Party::new());
    write(
        &folder,
        &left(caller.at(), agent.at(), Duration::from_secs(2)),
    );
    let bed = bed(&folder).await;
    let found = bed.relay.found.unwrap();
    assert_eq!((found.calls.taken, found.calls.lost), (1, 0));
    assert!(found.age >= Duration::from_secs(2));
    assert!(
        found
            .to_string()
            .starts_with("took over 1 of 1 calls, handed over 2.")
    );
    assert!(!folder.state().exists(), "it is never taken over twice");
    let list = sessions(&bed).await;
    assert_eq!((list.cursor, list.sessions.len()), (0, 1));
    assert_eq!(list.sessions[0].id, "00000000000000aa");

    let text = format!(
        "BYE sip:caller@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKbye;rport\r\n\
         From: <sip:phone@127.0.0.1>;tag=theirs\r\nTo: <sip:relay@127.0.0.1>;tag=caller\r\n\
         Call-ID: call of caller\r\nCSeq: 8 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        bed.sip(Transport::Udp),
        caller.at()
    );
    let bye = Message::parse(bytes::Bytes::from(text)).unwrap();
    let edge = bed.sip(Transport::Udp);
    caller.0.send_to(&bye.encode(), edge).unwrap();
    assert_eq!(caller.hears().await.status(), Some(200));
    let heard = agent.hears().await;
    assert_eq!(heard.method(), Some(&Method::Bye));
    assert_eq!(heard.cseq().unwrap().number, 5);
    let lines = journal(&folder.journal()).await;
    assert_eq!((lines.len(), &lines[0]["cause"]), (1, &"bye".into()));
    assert!(lines[0]["talk_ms"].as_u64().unwrap() >= 22_000);
}

#[tokio::test]
async fn a_call_that_was_left_long_ago_is_reported_as_ended() {
    let folder = Folder::new();
    let (caller, agent) = (Party::new(), Party::new());
    let ago = MAX_HAND_OVER_AGE + Duration::from_secs(1);
    write(&folder, &left(caller.at(), agent.at(), ago));
    let bed = bed(&folder).await;
    let found = bed.relay.found.unwrap();
    assert_eq!((found.calls.taken, found.calls.lost), (0, 1));
    assert!(found.to_string().ends_with("too long ago"), "{found}");
    let list = sessions(&bed).await;
    assert_eq!(
        (list.cursor, list.sessions.len()),
        (1, 0),
        "its end is an event"
    );
    let lines = journal(&folder.journal()).await;
    assert_eq!(lines[0]["cause"], "not_taken_over");
    assert_eq!(lines[0]["talk_ms"], 20_000, "until it was left");
    assert!(!folder.state().exists());
}

#[tokio::test]
async fn a_file_of_another_kind_is_put_aside_and_the_relay_serves() {
    for text in ["not JSON", "{\"version\":999,\"sessions\":[]}"] {
        let folder = Folder::new();
        std::fs::write(folder.state(), text).unwrap();
        let bed = bed(&folder).await;
        assert!(bed.relay.found.is_none());
        assert!(sessions(&bed).await.sessions.is_empty());
        assert!(folder.0.join("hand-over.json.bad").exists());
        assert!(!folder.state().exists());
    }
}

#[tokio::test]
async fn calls_that_cannot_be_left_are_ended() {
    let folder = Folder::new();
    let (caller, agent) = (Party::new(), Party::new());
    write(&folder, &left(caller.at(), agent.at(), Duration::ZERO));
    let bed = Bed::with(|config| config.hand_over = Some(folder.state())).await;
    assert_eq!(bed.relay.found.unwrap().calls.taken, 1);
    std::fs::remove_dir_all(&folder.0).unwrap();
    let relay = bed.relay;
    let left = tokio::spawn(relay.hand_over());
    for phone in [caller, agent] {
        assert_eq!(phone.hears().await.method(), Some(&Method::Bye));
    }
    left.await.unwrap();
}
