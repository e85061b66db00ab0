//! A relay core with a fake engine, on a virtual clock, and parties that speak in texts.
#![allow(dead_code)]

use bytes::Bytes;
use patchbay_relay::edge::paths::{Listener, Paths, Routes};
use patchbay_relay::edge::{Config, Core, Now, Output};
use patchbay_relay::engine::{
    LocalAddrs, OpenError, OpenPair, PairHandover, PairId, PairSpec, Remote, Side,
};
use patchbay_relay::locate::Inquiry;
use patchbay_relay::player::Order;
use patchbay_relay::session::Media;
use patchbay_route::counters::PairStats;
use patchbay_route::session::SessionEvent;
use patchbay_route::transfer::{Carrier, TransferTarget, sign};
use patchbay_sip::transaction::{self, Flow};
use patchbay_sip::{HeaderName, Message, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[path = "../../../sip/tests/shared/nonsense.rs"]
mod shared;

pub use shared::nonsense;

pub const SECRET: &[u8] = b"a secret of the link, long enough";
pub const RELAY: &str = "198.51.100.1";
pub const CALLER: &str = "192.0.2.9:5060";
pub const AGENT: &str = "203.0.113.7:5090";
pub const CONTROL: u64 = 1 << 63;
pub const PLAYER_PORT: u16 = 65_000;
/// The offer whose phone is asked to tell when the call is over.
pub const NOTICED: &str = "noticed";
const UNIX_MS: u64 = 1_800_000_000_000;

/// What the fake engine was told.
#[derive(Default)]
pub struct Told {
    pub open: BTreeMap<PairId, [Option<SocketAddr>; 2]>,
    /// All that was said of each side last, closed pairs too.
    pub remotes: BTreeMap<PairId, [Option<Remote>; 2]>,
    pub free: usize,
    /// Age of the last packet of every pair; none: no packet yet.
    pub last_packet_age: Option<Duration>,
    /// The ports of handed over pairs belong to somebody else now.
    pub ports_taken: bool,
    local: BTreeMap<PairId, [LocalAddrs; 2]>,
    next: u32,
}

#[derive(Clone)]
pub struct FakeMedia(pub Arc<Mutex<Told>>);

impl Media for FakeMedia {
    fn open(&mut self, spec: PairSpec) -> Result<OpenPair, OpenError> {
        let mut told = self.0.lock().unwrap();
        if told.open.len() >= told.free {
            return Err(OpenError::PortsExhausted {
                local_ip: spec.sides[0].local_ip,
            });
        }
        told.next += 1;
        let id = PairId::new(0, 0, told.next);
        told.open.insert(id, [None, None]);
        let base = 20_000 + 4 * told.next as u16;
        let local = |side: usize| LocalAddrs {
            rtp: SocketAddr::new(spec.sides[side].local_ip, base + 2 * side as u16),
            rtcp: SocketAddr::new(spec.sides[side].local_ip, base + 2 * side as u16 + 1),
        };
        let local = [local(0), local(1)];
        told.local.insert(id, local);
        Ok(OpenPair { id, local })
    }

    fn set_remote(&mut self, pair: PairId, side: Side, remote: Remote) {
        let mut told = self.0.lock().unwrap();
        let row = told.open.get_mut(&pair).expect("an open pair");
        row[side.index()] = Some(remote.rtp);
        told.remotes.entry(pair).or_default()[side.index()] = Some(remote);
    }

    fn close(&mut self, pair: PairId) {
        let closed = self.0.lock().unwrap().open.remove(&pair);
        assert!(closed.is_some(), "closed twice");
    }

    fn stats(&self, _: PairId) -> Option<PairStats> {
        let mut stats = PairStats::default();
        stats.flows[0].last_packet_age = self.0.lock().unwrap().last_packet_age;
        Some(stats)
    }

    fn hand_over(&self, pair: PairId) -> Option<PairHandover> {
        let told = self.0.lock().unwrap();
        let local = *told.open.contains_key(&pair).then(|| &told.local[&pair])?;
        let mut counters = PairStats::default();
        counters.flows[0].received = 77;
        counters.flows[0].bytes = 7_700;
        counters.flows[0].last_packet_age = told.last_packet_age;
        Some(PairHandover {
            local,
            remotes: told.remotes.get(&pair).copied().unwrap_or_default(),
            counters,
        })
    }

    fn adopt(&mut self, pair: &PairHandover) -> Result<OpenPair, OpenError> {
        let mut told = self.0.lock().unwrap();
        let local = pair.local;
        if told.ports_taken {
            let local = local[0].rtp;
            return Err(OpenError::PortInUse { local, ours: false });
        }
        told.next += 1;
        let id = PairId::new(0, 0, told.next);
        let at = pair.remotes.map(|remote| remote.map(|remote| remote.rtp));
        told.open.insert(id, at);
        told.remotes.insert(id, pair.remotes);
        told.local.insert(id, local);
        told.last_packet_age = pair.counters.last_packet_age();
        Ok(OpenPair { id, local })
    }
}

struct FixedRoutes;

impl Routes for FixedRoutes {
    fn local_toward(&self, _: IpAddr) -> Option<IpAddr> {
        Some(RELAY.parse().unwrap())
    }
}

pub struct Bed {
    pub core: Core,
    pub media: Arc<Mutex<Told>>,
    pub events: Vec<SessionEvent>,
    /// What the player was told.
    pub played: Vec<Order>,
    start: Instant,
    passed: Duration,
    pub sent: Vec<(Flow, Message)>,
    /// How control's transfers travel.
    pub transfer: Carrier,
    pub envelopes: u32,
    /// Names that were asked for.
    pub inquiries: Vec<Inquiry>,
    /// Connections that were asked for.
    pub connecting: Vec<Flow>,
    /// Tunnels by what belongs there: the branch of their INVITE.
    pub tunnels: BTreeMap<String, Flow>,
    /// Tunnels that the relay has ended.
    pub ended_tunnels: Vec<u64>,
}

pub fn udp(remote: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: format!("{RELAY}:5060").parse().unwrap(),
        remote: remote.parse().unwrap(),
        connection: 0,
    }
}

pub fn control() -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: "10.0.0.1:40000".parse().unwrap(),
        remote: "10.0.0.2:5070".parse().unwrap(),
        connection: CONTROL,
    }
}

impl Bed {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A relay whose control sends transfers so; the bed looks the same.
    pub fn by(transfer: Carrier) -> Self {
        let mut bed = Self::new();
        bed.transfer = transfer;
        bed
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_seed(change, [3; 32])
    }

    fn with_seed(change: impl FnOnce(&mut Config), seed: [u8; 32]) -> Self {
        let listener = |transport| Listener {
            transport,
            bound: format!("{RELAY}:5060").parse().unwrap(),
        };
        // Another process has other numbers.
        let first = u64::from(seed[0]) << 32;
        let listeners = vec![listener(Transport::Udp), listener(Transport::Tcp)];
        let paths = Paths::new(listeners, Vec::new(), Box::new(FixedRoutes), first);
        let mut config = Config {
            name: "relay".into(),
            secret: SECRET.to_vec(),
            max_sessions: 100,
            timers: transaction::Config::default(),
            media_timeout: Duration::from_secs(300),
            hold_timeout: Duration::from_secs(3600),
            session_expires: Duration::from_secs(1800),
            max_calls: Default::default(),
            failover_after: Duration::from_secs(4),
            large_over_tcp: true,
            deny_methods: Vec::new(),
            player_port: Some(PLAYER_PORT),
            draining: false,
        };
        change(&mut config);
        let told = Told {
            free: 100,
            ..Told::default()
        };
        let media = Arc::new(Mutex::new(told));
        let mut bed = Self {
            core: Core::new(config, Box::new(FakeMedia(media.clone())), paths, seed),
            media,
            events: Vec::new(),
            start: Instant::now(),
            passed: Duration::ZERO,
            sent: Vec::new(),
            played: Vec::new(),
            transfer: Carrier::Uri,
            envelopes: 0,
            inquiries: Vec::new(),
            connecting: Vec::new(),
            tunnels: BTreeMap::new(),
            ended_tunnels: Vec::new(),
        };
        bed.core.control_up(control(), bed.now());
        bed
    }

    /// The process after this one, at the same time of day, with an engine and identifiers of its
    /// own.
    pub fn next_process(&self) -> Self {
        let mut next = Self::with_seed(|_| {}, [4; 32]);
        next.passed = self.passed;
        next
    }

    pub fn now(&self) -> Now {
        Now {
            instant: self.start + self.passed,
            unix_ms: UNIX_MS + self.passed.as_millis() as u64,
        }
    }

    pub fn receive(&mut self, flow: Flow, text: &str) {
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        self.core.receive(bytes, flow, self.now());
        self.collect();
    }

    pub fn receive_message(&mut self, flow: Flow, message: &Message) {
        let (flow, bytes) = self.packed(flow, message);
        self.core.receive(bytes, flow, self.now());
        self.collect();
    }

    /// Lets time pass, waking the core whenever it wants to be.
    pub fn pass(&mut self, time: Duration) {
        let until = self.start + self.passed + time;
        while let Some(at) = self.core.next_wakeup().filter(|at| *at <= until) {
            self.passed = self.passed.max(at - self.start);
            self.core.wake(self.now());
            self.collect();
        }
        self.passed = until - self.start;
    }

    pub fn collect(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Send { flow, message } => self.sent_by_relay(flow, &message.bytes()),
                Output::Event(event) => self.events.push(event),
                Output::Play(order) => self.played.push(order),
                Output::Connect { flow, .. } => self.connecting.push(flow),
                Output::Locate(inquiry) => self.inquiries.push(*inquiry),
                Output::EndTunnel(connection) => self.ended_tunnels.push(connection),
            }
        }
    }

    /// Everything sent to a party since it was last asked for.
    pub fn sent_to(&mut self, remote: &str) -> Vec<Message> {
        let remote: SocketAddr = remote.parse().unwrap();
        let (to, rest) = std::mem::take(&mut self.sent)
            .into_iter()
            .partition(|(flow, _)| flow.remote == remote);
        self.sent = rest;
        to.into_iter().map(|(_, message)| message).collect()
    }

    /// The last message to a party, which must be a request of that method or a response of
    /// that status.
    pub fn expect(&mut self, remote: &str, what: &str) -> Message {
        let all = self.sent_to(remote);
        let found = all.iter().rfind(|message| name(message) == what);
        let names: Vec<_> = all.iter().map(name).collect();
        found
            .unwrap_or_else(|| panic!("{what} to {remote}, got {names:?}"))
            .clone()
    }

    /// What the engine was told last of a side, in the only pair that was ever opened.
    pub fn remote(&self, side: Side) -> Option<Remote> {
        let told = self.media.lock().unwrap();
        assert!(told.remotes.len() <= 1);
        told.remotes
            .values()
            .next()
            .and_then(|row| row[side.index()])
    }

    pub fn expect_silence(&mut self, remote: &str) {
        let names: Vec<_> = self.sent_to(remote).iter().map(name).collect();
        assert!(names.is_empty(), "{names:?} to {remote}");
    }
}

pub fn name(message: &Message) -> String {
    match message.method() {
        Some(method) => method.as_str().to_string(),
        None => message.status().unwrap().to_string(),
    }
}

pub fn sdp(address: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
}

/// A message with a description that ends with these lines.
pub fn with_lines(mut message: Message, address: &str, port: u16, lines: &str) -> Message {
    let body = format!("{}{lines}", sdp(address, port));
    message.set_body("application/sdp", body.into_bytes());
    message
}

pub fn with_sdp(mut message: Message, address: &str, port: u16) -> Message {
    message.set_body("application/sdp", sdp(address, port).into_bytes());
    message
}

/// The caller's INVITE, as it leaves its phone.
pub fn invite() -> Message {
    let text = "INVITE sip:support@198.51.100.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKcaller;rport\r\nMax-Forwards: 70\r\n\
        From: \"Alice\" <sip:alice@192.0.2.9>;tag=alice\r\nTo: <sip:support@198.51.100.1>\r\n\
        Call-ID: call@192.0.2.9\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.9:5060>\r\n\
        Subject: help\r\nUser-Agent: phone at 192.0.2.9\r\nContent-Length: 0\r\n\r\n";
    let message = Message::parse(Bytes::from(text)).unwrap();
    with_sdp(message, "192.0.2.9", 4000)
}

/// What control makes of the forwarded INVITE: the transfer to the agent at [`AGENT`].
pub fn transfer(forwarded: &Message, offer: &str, now: Now) -> Message {
    transfer_to(forwarded, (offer, &format!("sip:anna@{AGENT}")), now)
}

/// The same to an agent at any URI.
pub fn transfer_to(forwarded: &Message, (offer, agent_uri): (&str, &str), now: Now) -> Message {
    let target = TransferTarget {
        agent_uri: agent_uri.into(),
        path: None,
        aor: Some("sip:anna@centre.example".into()),
        agent_id: "anna".into(),
        contact: "c1".into(),
        offer: offer.into(),
        notice: offer == NOTICED,
        hears: None,
        joins: false,
    };
    transfer_for(forwarded, &target, now)
}

/// The same, whatever it asks for.
pub fn transfer_for(forwarded: &Message, target: &TransferTarget, now: Now) -> Message {
    let call_id = forwarded.call_id().unwrap();
    let from_tag = forwarded.from_tag().unwrap();
    let uri = sign(SECRET, target, call_id, &from_tag, now.unix_ms / 1000 + 60);
    let mut transfer = forwarded.clone();
    transfer.set_uri(uri);
    let offer = &target.offer;
    let via = format!("SIP/2.0/TCP 10.0.0.2:5070;branch=z9hG4bK{offer}");
    transfer.headers.push_front(HeaderName::Via, via);
    transfer
}

/// A party's answer to a request.
pub fn answer(request: &Message, status: u16, tag: &str) -> Message {
    let mut response = Message::response_to(request, status, "");
    response.set_to_tag(tag);
    if (200..300).contains(&status) || (101..200).contains(&status) {
        response
            .headers
            .push(HeaderName::Contact, format!("<sip:anna@{AGENT}>"));
    }
    response
}

/// The next request in the dialog that `response` (as the party received it) belongs to.
pub fn in_dialog(method: &str, response: &Message, cseq: u32, via: &str) -> Message {
    let contact = response.contacts().unwrap();
    let uri = contact.first().unwrap().uri.to_string();
    let mut request = Message::request(method.into(), uri.as_str());
    let branch = format!("SIP/2.0/UDP {via};branch=z9hG4bK{method}{cseq}{via}");
    request.headers.push(HeaderName::Via, branch);
    request.headers.push(HeaderName::MaxForwards, "70");
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
        let value = response.headers.get(name.clone()).unwrap();
        request.headers.push(name, value);
    }
    request
        .headers
        .push(HeaderName::CSeq, format!("{cseq} {method}"));
    request
        .headers
        .push(HeaderName::Contact, format!("<sip:alice@{via}>"));
    request
}

/// A request of the agent in the dialog that `invite` (as it received it) and its `tag` made.
pub fn from_agent(method: &str, invite: &Message, tag: &str, cseq: u32) -> Message {
    let contact = invite.contacts().unwrap();
    let uri = contact.first().unwrap().uri.to_string();
    let mut request = Message::request(method.into(), uri.as_str());
    let branch = format!("SIP/2.0/UDP {AGENT};branch=z9hG4bKagent{method}{cseq}");
    request.headers.push(HeaderName::Via, branch);
    request.headers.push(HeaderName::MaxForwards, "70");
    let to = invite.headers.get(HeaderName::To).unwrap();
    request
        .headers
        .push(HeaderName::From, format!("{to};tag={tag}"));
    let from = invite.headers.get(HeaderName::From).unwrap();
    request.headers.push(HeaderName::To, from);
    request
        .headers
        .push(HeaderName::CallId, invite.call_id().unwrap());
    request
        .headers
        .push(HeaderName::CSeq, format!("{cseq} {method}"));
    request
        .headers
        .push(HeaderName::Contact, format!("<sip:anna@{AGENT}>"));
    request
}

/// A call that stands: the INVITE as the agent got it, and the 200 as the caller got it.
pub struct Call {
    pub offer: Message,
    pub ok: Message,
}

/// Control passes a response of the relay on to the edge, as a proxy does.
pub fn pass_upstream(bed: &mut Bed, status: &str) {
    let mut response = bed.expect("10.0.0.2:5070", status);
    response.headers.remove_first(HeaderName::Via);
    bed.receive_message(control(), &response);
}

/// Up to the agent's phone: the INVITE as it arrived there.
pub fn offer(bed: &mut Bed) -> Message {
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    bed.expect(AGENT, "INVITE")
}

pub fn establish(bed: &mut Bed) -> Call {
    let offer = offer(bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect(AGENT, "ACK");
    Call { offer, ok }
}

/// Asserts that nothing of a message names one of the addresses.
pub fn assert_hides(message: &Message, addresses: &[&str]) {
    let text = String::from_utf8_lossy(&message.encode()).into_owned();
    for address in addresses {
        assert!(!text.contains(address), "{address} in\n{text}");
    }
}
