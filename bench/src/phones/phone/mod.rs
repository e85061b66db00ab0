//! One SIP phone without I/O: bytes and the time go in, bytes, wishes about audio and news come
//! out. It registers, calls, is called, holds and hangs up.

mod account;
mod call;
mod dialling;
mod ending;
mod event;
mod inbound;
mod renegotiate;
mod requests;
pub(crate) mod sdp;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use patchbay_sip::transaction::{
    ClientKey, Config, Failure, Flow, Layer, Output, SendError, ServerKey,
};
use patchbay_sip::{HeaderName, Host, Message, Method, Transport, Uri};

use self::account::Account;
use self::call::Call;
use super::voice::mix;

pub use self::event::{
    Behaviour, CallFailure, CallRef, CallSpec, MediaAddresses, Outcome, PhoneConfig, PhoneEvent,
    PhoneOutput,
};

/// Calls that one phone has at one time, at most, whichever side placed them.
pub const MAX_CALLS: usize = 65_536;
/// Methods that a phone understands, for Allow (RFC 3261 section 20.5).
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";
/// Connections that a phone opens are numbered from here, those that it accepts from 1.
const OWN_CONNECTIONS: u64 = 1 << 32;

/// Why a phone does not place a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// 65536 calls are under way.
    #[error("the phone has {MAX_CALLS} calls already")]
    TooManyCalls,
    /// A call of this name is under way.
    #[error("a call of this name is under way")]
    NameTaken,
}

/// What a client transaction of a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Invite,
    Reinvite { held: bool },
    Bye,
}

/// Something to do later. A timer that no longer fits the call's state does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Refresh,
    Answer(CallRef),
    HangUp(CallRef),
    GiveUp(CallRef),
    Hold(CallRef, bool),
    Resend(CallRef),
}

/// Random-looking words from a seed.
#[derive(Debug)]
struct Draws {
    seed: u64,
    count: u64,
}

impl Draws {
    fn number(&mut self) -> u64 {
        self.count += 1;
        mix(self.seed ^ mix(self.count))
    }

    fn word(&mut self) -> String {
        format!("{:016x}", self.number())
    }
}

/// A phone.
pub struct Phone {
    config: PhoneConfig,
    layer: Layer,
    transactions: Config,
    draws: Draws,
    account: Account,
    calls: HashMap<CallRef, Call>,
    clients: HashMap<ClientKey, (CallRef, Purpose)>,
    servers: HashMap<ServerKey, CallRef>,
    /// Call-ID and our tag, which find a call for a request inside its dialog.
    dialogs: HashMap<(String, String), CallRef>,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    outputs: VecDeque<PhoneOutput>,
    /// TCP connections that this phone opened, by their far end.
    connections: HashMap<SocketAddr, u64>,
    opened: u64,
    received_calls: u32,
    /// Datagrams and frames that were no SIP, or that the layer dropped.
    unusable: u64,
}

impl Phone {
    /// A phone that does nothing yet.
    #[must_use]
    pub fn new(config: PhoneConfig, transactions: Config) -> Self {
        let mut draws = Draws {
            seed: mix(config.seed ^ u64::from(config.index)),
            count: 0,
        };
        let mut seed = [0_u8; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&draws.number().to_le_bytes());
        }
        let account = Account::new(&mut draws);
        Self {
            layer: Layer::new(transactions.clone(), seed),
            transactions,
            config,
            draws,
            account,
            calls: HashMap::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            dialogs: HashMap::new(),
            timers: BinaryHeap::new(),
            outputs: VecDeque::new(),
            connections: HashMap::new(),
            opened: 0,
            received_calls: 0,
            unusable: 0,
        }
    }

    /// The phone's own address of record.
    #[must_use]
    pub fn address(&self) -> String {
        format!("sip:{}@{}", self.config.user, self.config.domain)
    }

    /// How it was configured.
    #[must_use]
    pub const fn config(&self) -> &PhoneConfig {
        &self.config
    }

    /// Calls under way.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Messages that arrived and could not be used.
    #[must_use]
    pub const fn unusable(&self) -> u64 {
        self.unusable
    }

    /// Changes what it does when it is called, from the next call on.
    pub const fn behave(&mut self, behaviour: Behaviour) {
        self.config.behaviour = behaviour;
    }

    /// A datagram, or a message cut from a connection.
    pub fn receive(&mut self, bytes: Bytes, flow: Flow, now: Instant) {
        match Message::parse(bytes) {
            Ok(message) => {
                if self.layer.receive(message, flow, now).is_err() {
                    self.unusable += 1;
                }
            }
            Err(_) => self.unusable += 1,
        }
        self.work(now);
    }

    /// A TCP connection is gone.
    pub fn flow_failed(&mut self, connection: u64, now: Instant) {
        self.connections.retain(|_, own| *own != connection);
        self.layer.flow_failed(connection, now);
        self.work(now);
    }

    /// The next thing that the phone wants done.
    pub fn poll(&mut self) -> Option<PhoneOutput> {
        self.outputs.pop_front()
    }

    /// When [`Phone::wake`] is due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Instant> {
        let own = self.timers.peek().map(|Reverse((due, _))| *due);
        [own, self.layer.next_wakeup()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Instant) {
        self.layer.wake(now);
        while let Some(&Reverse((due, timer))) = self.timers.peek() {
            if due > now {
                break;
            }
            self.timers.pop();
            self.timer(timer, now);
        }
        self.work(now);
    }

    fn timer(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Refresh => self.refresh(now),
            Timer::Answer(call) => self.answer_now(call, now),
            Timer::HangUp(call) => self.hang_up(call, now),
            Timer::GiveUp(call) => self.give_up(call, now),
            Timer::Hold(call, held) => self.hold(call, held, now),
            Timer::Resend(call) => self.resend(call, now),
        }
    }

    fn at(&mut self, due: Instant, timer: Timer) {
        self.timers.push(Reverse((due, timer)));
    }

    fn tell(&mut self, event: PhoneEvent) {
        self.outputs.push_back(PhoneOutput::Event(event));
    }

    /// Takes what the transaction layer has to say until it falls silent.
    fn work(&mut self, now: Instant) {
        while let Some(output) = self.layer.poll() {
            match output {
                Output::Send { flow, message } => {
                    let bytes = message.bytes();
                    self.outputs.push_back(PhoneOutput::Send { flow, bytes });
                }
                Output::Request {
                    server,
                    request,
                    flow,
                } => {
                    self.request(server, &request, flow, now);
                }
                Output::Ack { ack, .. } => self.acknowledged(&ack, now),
                Output::Cancelled { server, .. } => self.cancelled(server, now),
                Output::Response {
                    client, response, ..
                } => self.response(client, &response, now),
                Output::Failed { client, why } => self.client_failed(client, why, now),
                Output::ServerFailed { server, .. } => self.server_failed(server),
            }
        }
    }

    fn response(&mut self, client: ClientKey, response: &Message, now: Instant) {
        if self.account.client == Some(client) {
            self.registrar_answered(response, now);
            return;
        }
        let Some(&(call, purpose)) = self.clients.get(&client) else {
            return;
        };
        match purpose {
            Purpose::Invite => self.invite_answered(call, client, response, now),
            Purpose::Reinvite { held } => self.reinvite_answered(call, client, held, response, now),
            Purpose::Bye => self.bye_answered(call, client, response),
        }
    }

    fn client_failed(&mut self, client: ClientKey, why: Failure, now: Instant) {
        if self.account.client == Some(client) {
            self.registrar_silent(now);
            return;
        }
        let Some((call, purpose)) = self.clients.remove(&client) else {
            return;
        };
        let reason = match (purpose, why) {
            (Purpose::Bye, _) => CallFailure::ByeFailed,
            (Purpose::Reinvite { .. }, _) => CallFailure::ReinviteFailed,
            (Purpose::Invite, Failure::Timeout) => CallFailure::Timeout,
            (Purpose::Invite, Failure::Transport) => CallFailure::Transport,
        };
        match purpose {
            Purpose::Reinvite { .. } => self.reinvite_failed(call, now),
            Purpose::Invite | Purpose::Bye => self.end(call, Outcome::Failed(reason)),
        }
    }

    /// The flow to an address: the one UDP flow, or a connection, which the first bytes open.
    fn flow_to(&mut self, remote: SocketAddr) -> Flow {
        let connection = if self.config.transport == Transport::Udp {
            0
        } else if let Some(known) = self.connections.get(&remote) {
            *known
        } else {
            self.opened += 1;
            self.connections
                .insert(remote, OWN_CONNECTIONS + self.opened);
            OWN_CONNECTIONS + self.opened
        };
        Flow {
            transport: self.config.transport,
            local: self.config.local,
            remote,
            connection,
        }
    }

    fn send(&mut self, request: Message, flow: Flow, now: Instant) -> Result<ClientKey, SendError> {
        let sent_by = self.config.local.to_string();
        self.layer.send_request(request, flow, &sent_by, now)
    }

    /// `<sip:user@address>` as others reach this phone directly.
    fn contact(&self) -> String {
        let mut uri = Uri::sip(Host::from(self.config.local.ip()));
        uri.user = Some(patchbay_sip::uri::escape(&self.config.user).into());
        uri.port = Some(self.config.local.port());
        if self.config.transport != Transport::Udp {
            uri.params.set_value("transport", "tcp");
        }
        format!("<{uri}>")
    }

    /// A request outside any dialog: To, From, Call-ID, CSeq, Max-Forwards and Contact.
    fn new_request(&self, method: Method, uri: &str, head: &RequestHead<'_>) -> Message {
        let cseq = format!("{} {}", head.cseq, method.as_str());
        let mut request = Message::request(method, uri);
        request.headers.push(HeaderName::MaxForwards, "70");
        let from = format!("<{}>;tag={}", head.from, head.tag);
        request.headers.push(HeaderName::From, from);
        request
            .headers
            .push(HeaderName::To, format!("<{}>", head.to));
        request.headers.push(HeaderName::CallId, head.call_id);
        request.headers.push(HeaderName::CSeq, cseq);
        request.headers.push(HeaderName::Contact, self.contact());
        request
    }
}

/// What identifies a request outside a dialog.
struct RequestHead<'a> {
    from: &'a str,
    tag: &'a str,
    to: &'a str,
    call_id: &'a str,
    cseq: u32,
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let calls = self.calls.len();
        f.debug_struct("Phone")
            .field("config", &self.config)
            .field("calls", &calls)
            .finish()
    }
}
