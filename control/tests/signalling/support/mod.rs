//! A control node on a virtual clock, with an edge and a relay played by the test over one
//! connection.

#[macro_use]
mod carried;
mod messages;
mod phone;
pub mod tcp;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use patchbay_control::link::{Place, Secret};
use patchbay_control::node::{Action, Machine};
use patchbay_control::registrar::{Binding, Expiry};
use patchbay_control::signalling::{Moment, SignallingConfig};
use patchbay_core::{Centre, Event, Network};
use patchbay_route::transfer::{self, Carrier, TransferTarget};
use patchbay_sip::digest::Algorithm;
use patchbay_sip::transaction::{Config, Flow};
use patchbay_sip::{HeaderName, Message, Method, Transport};

use messages::nonsense;
pub use messages::{sdp, vias};

pub const SECRET: &str = "a link secret of thirty-two bytes";
/// A network that is trusted with who calls.
pub const TRUNK: &str = "198.18.0.0/15";
pub const UNIX_MS: u64 = 1_790_000_000_000;
pub const ALICE: &str = "sip:alice@192.0.2.10:5062";

const BOTH: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

/// One queue; `anna` and `bert` are always there.
pub const TWO_AGENTS: &str = r#"
    [[queue]]
    id = "support"
    ring_seconds = 20
    max_wait_seconds = 300
    retry_after_seconds = 30

    [[agent]]
    id = "anna"
    skills = { support = 1 }
    uri = "sip:anna@198.51.100.1:5090"

    [[agent]]
    id = "bert"
    skills = { support = 1 }
    uri = "sip:bert@198.51.100.2:5090"

    [[rule]]
    id = "all"
    then = { queue = "support" }
"#;

/// One queue that callers wait in; `anna` registers.
pub const ONE_REGISTERS: &str = r#"
    [[queue]]
    id = "support"
    ring_seconds = 20
    max_wait_seconds = 300
    when_no_agents = "wait"

    [[agent]]
    id = "anna"
    password = "open sesame"

    [[rule]]
    id = "all"
    then = { queue = "support" }
"#;

pub struct Scene {
    pub machine: Machine,
    start: Instant,
    elapsed: Duration,
    pub flow: Flow,
    /// What control sent, oldest first.
    pub sent: VecDeque<Message>,
    pub events: Vec<Event>,
    pub saved: Vec<Binding>,
    pub removed: Vec<Binding>,
    pub ended: Vec<Place>,
    pub lists_asked: usize,
    branches: u32,
    transfer: Carrier,
    /// Tunnels by what belongs there: the branch of their INVITE.
    tunnels: BTreeMap<String, Flow>,
    /// Tunnels that control has opened, and those that it has closed.
    pub opened: Vec<Flow>,
    pub closed: Vec<Flow>,
}

/// A transferred INVITE as the relay got it.
#[derive(Clone)]
pub struct Transfer {
    pub invite: Message,
    pub target: TransferTarget,
    pub to_tag: String,
}

pub fn flow(connection: u64) -> Flow {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let remote = address(40_000 + u16::try_from(connection).unwrap());
    Flow {
        transport: Transport::Tcp,
        local: address(5070),
        remote,
        connection,
    }
}

impl Scene {
    pub fn new(centre: &str) -> Scene {
        Scene::seeded(centre, 1)
    }

    /// Another seed is another process.
    pub fn seeded(centre: &str, seed: u8) -> Scene {
        Scene::built(centre, seed, &BOTH, Carrier::Uri)
    }

    /// A control node whose transfers travel so; the scene looks the same.
    pub fn by(transfer: Carrier, centre: &str) -> Scene {
        Scene::built(centre, 1, &BOTH, transfer)
    }

    /// A control node that is set to these digests.
    pub fn with_digest(centre: &str, digest: &[Algorithm]) -> Scene {
        Scene::built(centre, 1, digest, Carrier::Uri)
    }

    fn built(centre: &str, seed: u8, digest: &[Algorithm], transfer: Carrier) -> Scene {
        let start = Instant::now();
        let config = SignallingConfig {
            realm: "patchbay.example".into(),
            digest: digest.to_vec(),
            expiry: Expiry::default(),
            trusted: vec![Network::parse(TRUNK).unwrap()],
            screen_pop_url: Some("https://crm.example/pop?contact={contact}".into()),
            link_secret: Secret::new(SECRET),
            transfer,
            transactions: Config::default(),
        };
        let relays = ["http://127.0.0.1:8090".to_owned()];
        let machine = Machine::new(config, relays, [seed; 32], start);
        let mut scene = Scene {
            machine,
            start,
            elapsed: Duration::ZERO,
            flow: flow(1),
            sent: VecDeque::new(),
            events: Vec::new(),
            saved: Vec::new(),
            removed: Vec::new(),
            ended: Vec::new(),
            lists_asked: 0,
            branches: 0,
            transfer,
            tunnels: BTreeMap::new(),
            opened: Vec::new(),
            closed: Vec::new(),
        };
        if !centre.is_empty() {
            scene.configure(centre);
        }
        scene
    }

    pub fn configure(&mut self, centre: &str) {
        let centre: Centre = toml::from_str(centre).unwrap();
        assert_eq!(patchbay_core::validate(&centre), []);
        let now = self.now();
        self.machine.configure(Arc::new(centre), 1, now);
        self.settle();
    }

    pub fn now(&self) -> Moment {
        let unix_ms = UNIX_MS + u64::try_from(self.elapsed.as_millis()).unwrap();
        self.machine.moment(self.start + self.elapsed, unix_ms)
    }

    /// Lets time pass; every timer on the way runs at its own time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.elapsed + time;
        loop {
            let now = self.now();
            let Some(at) = self.machine.next_wakeup(now) else {
                break;
            };
            let at = at.saturating_duration_since(self.start).max(self.elapsed);
            if at > end {
                break;
            }
            self.elapsed = at;
            let now = self.now();
            self.machine.wake(now);
            self.settle();
        }
        self.elapsed = end;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn settle(&mut self) {
        while let Some(action) = self.machine.poll() {
            match action {
                Action::OpenTunnel { flow } => self.opened.push(flow),
                Action::CloseTunnel { flow } => self.closed.push(flow),
                Action::Send { flow, message } => {
                    let message = Message::parse(message.bytes());
                    let message = message.unwrap_or_else(|error| nonsense(&error));
                    self.sent_by_control(flow, message);
                }
                Action::SaveBinding(binding) => self.saved.push(binding),
                Action::RemoveBinding(binding) => self.removed.push(binding),
                Action::Event(event) => self.events.push(event),
                Action::EndSession(place) => self.ended.push(place),
                Action::ListSessions => self.lists_asked += 1,
                Action::Ask { .. } | Action::LookUp { .. } => {
                    unreachable!("no server is declared, and no rule looks back")
                }
                // Of what is carried outside, which no test here asks for.
                Action::Routed(_)
                | Action::KeepCarried(_)
                | Action::ForgetCarried(_)
                | Action::KeepCallBack(_)
                | Action::ForgetCallBack(_)
                | Action::AskSite { .. }
                | Action::LeaveSite { .. }
                | Action::Release { .. }
                | Action::TellProgram { .. } => {}
            }
        }
    }

    pub fn receive(&mut self, message: &Message) {
        let bytes = self.packed(message).unwrap_or_else(|| message.encode());
        let flow = self.way_of(message);
        self.receive_on(flow, bytes);
    }

    pub fn receive_bytes(&mut self, bytes: impl Into<Bytes>) {
        self.receive_on(self.flow, bytes);
    }

    fn receive_on(&mut self, flow: Flow, bytes: impl Into<Bytes>) {
        let now = self.now();
        self.machine
            .receive(Message::parse(bytes.into()), flow, now);
        self.settle();
    }

    /// The connection to the relay's host breaks.
    pub fn disconnect(&mut self) {
        let now = self.now();
        self.machine.flow_failed(self.flow, now);
        self.settle();
        for tunnel in self.standing() {
            self.machine.flow_failed(tunnel, now);
            self.settle();
        }
    }

    pub fn link(&mut self, report: patchbay_control::link::LinkReport) {
        let now = self.now();
        self.machine.link(report, now);
        self.settle();
    }

    pub fn run(&mut self, change: impl FnOnce(&mut Machine, Moment)) {
        let now = self.now();
        change(&mut self.machine, now);
        self.settle();
    }

    /// A request as the edge forwards it: its Via on top, the phone's below.
    pub fn request(&mut self, method: Method, uri: &str, call_id: &str, cseq: u32) -> Message {
        self.branches += 1;
        let branch = self.branches;
        let mut request = Message::request(method.clone(), uri);
        let headers = &mut request.headers;
        let edge = format!("SIP/2.0/TCP 127.0.0.1:40001;branch=z9hG4bKedge{branch}");
        headers.push(HeaderName::Via, edge);
        let phone = format!("SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKphone{branch}");
        headers.push(HeaderName::Via, phone);
        headers.push(HeaderName::MaxForwards, "69");
        headers.push(
            HeaderName::From,
            "\"Alice\" <sip:alice@example.net>;tag=alice",
        );
        headers.push(HeaderName::To, "<sip:support@example.com>");
        headers.push(HeaderName::CallId, call_id);
        headers.push(HeaderName::CSeq, format!("{cseq} {}", method.as_str()));
        headers.push("P-Patchbay-Source", "udp;192.0.2.10:5062");
        request
    }

    /// An INVITE with audio in G.711.
    pub fn invite(&mut self, call_id: &str) -> Message {
        let mut invite = self.request(Method::Invite, "sip:support@example.com", call_id, 1);
        invite
            .headers
            .push(HeaderName::Contact, format!("<{ALICE}>"));
        invite.set_body("application/sdp", sdp("0 8 101"));
        invite
    }

    /// Sends an INVITE and gives it back.
    pub fn call(&mut self, call_id: &str) -> Message {
        let invite = self.invite(call_id);
        self.receive(&invite);
        invite
    }

    pub fn cancel(&mut self, invite: &Message) {
        assert_eq!(self.cancel_status(invite), 200);
    }

    /// Cancels, and gives the status that the CANCEL itself is answered with.
    pub fn cancel_status(&mut self, invite: &Message) -> u16 {
        let mut cancel = Message::request(Method::Cancel, invite.uri().unwrap());
        let via = invite
            .headers
            .all_split(HeaderName::Via)
            .next()
            .unwrap()
            .to_owned();
        cancel.headers.push(HeaderName::Via, via);
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
            let value = invite.headers.get(name.clone()).unwrap().to_owned();
            cancel.headers.push(name, value);
        }
        cancel.headers.push(HeaderName::MaxForwards, "70");
        cancel.headers.push(HeaderName::CSeq, "1 CANCEL");
        self.receive(&cancel);
        let answer = self.next().expect("an answer to CANCEL");
        assert_eq!(answer.cseq().unwrap().method, Method::Cancel);
        answer.status().unwrap()
    }

    /// The caller's edge acknowledges a failure answer.
    pub fn ack(&mut self, invite: &Message, failure: &Message) {
        let mut ack = Message::request(Method::Ack, invite.uri().unwrap());
        let via = invite
            .headers
            .all_split(HeaderName::Via)
            .next()
            .unwrap()
            .to_owned();
        ack.headers.push(HeaderName::Via, via);
        for name in [HeaderName::From, HeaderName::CallId] {
            let value = invite.headers.get(name.clone()).unwrap().to_owned();
            ack.headers.push(name, value);
        }
        let to = failure.headers.get(HeaderName::To).unwrap().to_owned();
        ack.headers.push(HeaderName::To, to);
        ack.headers.push(HeaderName::CSeq, "1 ACK");
        ack.headers.push(HeaderName::MaxForwards, "70");
        self.receive(&ack);
    }

    /// The next thing that control sent, 100 Trying aside.
    pub fn next(&mut self) -> Option<Message> {
        while let Some(message) = self.sent.pop_front() {
            if message.status() != Some(100) {
                return Some(message);
            }
        }
        None
    }

    /// The next thing that control sent must be a response to a caller with this status.
    pub fn expect(&mut self, status: u16) -> Message {
        let message = self
            .next()
            .unwrap_or_else(|| panic!("no {status} was sent"));
        assert_eq!(message.status(), Some(status), "{message:?}");
        assert!(message.to_tag().is_some(), "{status} lacks a To tag");
        message
    }

    pub fn expect_nothing(&mut self) {
        let unexpected = self.next();
        assert!(unexpected.is_none(), "unexpected: {unexpected:?}");
    }

    /// Nothing but retransmissions of a final answer that nobody acknowledged.
    pub fn expect_nothing_but_repeats(&mut self, status: u16) {
        while let Some(message) = self.next() {
            assert_eq!(message.status(), Some(status), "unexpected: {message:?}");
        }
    }

    /// The next thing that control sent must be a transferred INVITE for this agent; the relay
    /// answers 100.
    pub fn expect_transfer(&mut self, agent: &str) -> Transfer {
        let invite = self.next().expect("a transferred INVITE");
        assert_eq!(invite.method(), Some(&Method::Invite), "{invite:?}");
        let verified = transfer::verify(
            SECRET.as_bytes(),
            invite.uri().unwrap(),
            invite.call_id().unwrap(),
            &invite.from_tag().unwrap(),
            self.now().unix_ms() / 1000,
        )
        .expect("a signature that holds");
        assert_eq!(verified.target.agent_id, agent);
        let to_tag = format!("relay-{}", verified.target.offer);
        let transfer = Transfer {
            invite,
            target: verified.target,
            to_tag,
        };
        self.answer(&transfer, 100);
        transfer
    }

    /// The relay answers a transferred INVITE.
    pub fn answer(&mut self, transfer: &Transfer, status: u16) {
        let response = transfer.response(status);
        self.receive(&response);
    }

    /// Control cancelled this transfer; the relay answers the CANCEL.
    pub fn expect_cancel(&mut self, transfer: &Transfer) {
        let cancel = self.next().expect("a CANCEL");
        assert_eq!(cancel.method(), Some(&Method::Cancel), "{cancel:?}");
        assert_eq!(cancel.uri(), transfer.invite.uri());
        assert_eq!(
            cancel.top_via().unwrap().branch(),
            transfer.invite.top_via().unwrap().branch()
        );
        assert_eq!(cancel.headers.all_split(HeaderName::Via).count(), 1);
        self.receive(&Message::response_to(&cancel, 200, ""));
    }

    /// Control acknowledged the relay's failure answer.
    pub fn expect_ack(&mut self, transfer: &Transfer) {
        let ack = self.next().expect("an ACK");
        assert_eq!(ack.method(), Some(&Method::Ack), "{ack:?}");
        let branch = |message: &Message| message.top_via().unwrap().branch().map(str::to_owned);
        assert_eq!(branch(&ack), branch(&transfer.invite));
    }

    /// The relay refuses, and control acknowledges.
    pub fn refuse(&mut self, transfer: &Transfer, status: u16) {
        self.answer(transfer, status);
        self.expect_ack(transfer);
    }

    /// Events of one type, by their name.
    pub fn events_named(&self, name: &str) -> Vec<serde_json::Value> {
        let values = self
            .events
            .iter()
            .map(|event| serde_json::to_value(event).unwrap());
        values.filter(|value| value["type"] == name).collect()
    }
}

impl Transfer {
    pub fn response(&self, status: u16) -> Message {
        let mut response = Message::response_to(&self.invite, status, "");
        if status > 100 {
            response.set_to_tag(&self.to_tag);
        }
        if (101..300).contains(&status) {
            response
                .headers
                .push(HeaderName::Contact, "<sip:192.0.2.1:5060>");
        }
        if (180..300).contains(&status) && status != 180 {
            response.set_body("application/sdp", sdp("0"));
        }
        response
    }
}
