//! [`Layer`]: the table of transactions and what its user asks of it.

use std::collections::VecDeque;
use std::time::Instant;

use super::client::{CancelState, Client, ClientState};
use super::flow::{complete_via, own_via, response_flow};
use super::matching::{Index, Keyed, MatchKey};
use super::server::Server;
use super::slab::{Key, Slab};
use super::timers::Timers;
use super::token::Tokens;
use super::{
    CancelResult, ClientKey, Config, Counters, Failure, Flow, Output, RespondError, SendError,
    ServerKey,
};
use crate::handed::Handed;
use crate::message::Message;
use crate::method::Method;
use crate::name::HeaderName;
use crate::text::Text;

/// One entry of the table.
pub(super) enum Transaction {
    Client(Client),
    Server(Server),
}

impl Transaction {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Transaction::Client(client) => client.deadline(),
            Transaction::Server(server) => server.deadline(),
        }
    }

    pub(super) fn match_key(&self) -> MatchKey {
        match self {
            Transaction::Client(client) => client.key,
            Transaction::Server(server) => server.key,
        }
    }

    fn connection(&self) -> u64 {
        match self {
            Transaction::Client(client) => client.connection,
            Transaction::Server(server) => server.connection,
        }
    }
}

/// All transactions of one SIP element.
pub struct Layer {
    pub(super) config: Config,
    pub(super) tokens: Tokens,
    pub(super) table: Slab<Transaction>,
    pub(super) index: Index,
    pub(super) timers: Timers,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: Counters,
}

impl Layer {
    /// A layer without transactions. Branches and tags come from `seed`, which must be secret and
    /// fresh outside of tests.
    pub fn new(config: Config, seed: [u8; 32]) -> Layer {
        let mut tokens = Tokens::new(seed);
        let [a, b, c, d] = tokens.hash_keys();
        Layer {
            config,
            tokens,
            table: Slab::new(),
            index: Index::new([Keyed(a, b), Keyed(c, d)]),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Sends a request in a transaction of its own: pushes our Via (`sent_by` is `host:port`) with a
    /// fresh branch, and `rport` over UDP. Not for ACK and CANCEL: see [`Layer::send_ack`] and
    /// [`Layer::cancel`].
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then.
    pub fn send_request(
        &mut self,
        request: Message,
        flow: Flow,
        sent_by: &str,
        now: Instant,
    ) -> Result<ClientKey, SendError> {
        let method = request.method().ok_or(SendError::NotARequest)?.clone();
        if matches!(method, Method::Ack | Method::Cancel) {
            return Err(SendError::NotARequest);
        }
        if request.cseq().map_err(|_| SendError::CSeq)?.method != method {
            return Err(SendError::CSeq);
        }
        if self.table.len() >= self.config.max_transactions {
            return Err(SendError::TableFull);
        }
        let mut request = request;
        let branch = self.tokens.branch();
        request
            .headers
            .push_front(HeaderName::Via, own_via(&flow, sent_by, &branch));
        let key = self.index.client_key(&branch, &method);
        self.start_client(request, key, flow, false, now)
            .map(ClientKey)
            .ok_or(SendError::TableFull)
    }

    /// Puts a client transaction in the table and its request on the wire.
    pub(super) fn start_client(
        &mut self,
        request: Message,
        key: MatchKey,
        flow: Flow,
        silent: bool,
        now: Instant,
    ) -> Option<Key> {
        let invite = request.method() == Some(&Method::Invite);
        let (message, invite, again) = match flow.is_in_process() {
            true => {
                let invite = invite.then(|| request.clone());
                (Handed::new(request), invite, None)
            }
            false => {
                let bytes = request.encode();
                let again = (!flow.is_reliable()).then(|| bytes.clone());
                (bytes.into(), invite.then_some(request), again)
            }
        };
        let client = Client::new(invite, again, key, flow, silent, &self.config, now);
        let place = self.insert(Transaction::Client(client))?;
        self.counters.requests_out += 1;
        self.send(flow, message);
        Some(place)
    }

    /// Gives up a pending INVITE (RFC 3261 section 9.1). The CANCEL waits for a provisional answer; the
    /// INVITE's final answer comes all the same, or [`Output::Failed`] 64 T1 after the CANCEL.
    pub fn cancel(&mut self, client: ClientKey, now: Instant) -> CancelResult {
        let Some(Transaction::Client(entry)) = self.table.get_mut(client.0) else {
            return CancelResult::TooLate;
        };
        let pending = matches!(entry.state, ClientState::Start | ClientState::Proceeding);
        if !entry.invite || !pending {
            return CancelResult::TooLate;
        }
        if entry.cancel != CancelState::Wanted(false) {
            return CancelResult::Already;
        }
        entry.cancel = CancelState::Wanted(true);
        if entry.state == ClientState::Start {
            return CancelResult::Waiting;
        }
        self.send_cancel(client.0, now);
        CancelResult::Sent
    }

    /// Sends the CANCEL of an INVITE, as a transaction whose answers concern nobody.
    pub(super) fn send_cancel(&mut self, place: Key, now: Instant) {
        let timeout = self.config.timeout();
        let Some(Transaction::Client(entry)) = self.table.get_mut(place) else {
            return;
        };
        let Some((flow, cancel)) = entry.build_cancel() else {
            return;
        };
        // Its Via is the INVITE's, and so is its branch (RFC 3261 section 9.1).
        let Ok(via) = cancel.top_via() else { return };
        let branch = via.branch().unwrap_or_default();
        let key = self.index.client_key(branch, &Method::Cancel);
        entry.cancel = CancelState::Sent;
        entry.end_at = Some(now + timeout);
        self.rearm(place);
        self.start_client(cancel, key, flow, true, now);
    }

    /// Sends the ACK of a 2xx, which belongs to no transaction (RFC 3261 section 13.2.2.4): pushes
    /// our Via. To be called again for every repeated 2xx.
    pub fn send_ack(&mut self, ack: Message, flow: Flow, sent_by: &str) {
        let mut ack = ack;
        let branch = self.tokens.branch();
        ack.headers
            .push_front(HeaderName::Via, own_via(&flow, sent_by, &branch));
        let ack = match flow.is_in_process() {
            true => Handed::new(ack),
            false => ack.encode().into(),
        };
        self.send(flow, ack);
    }

    /// Answers a request, with a provisional or the final answer. The 2xx of an INVITE may be given
    /// again until 64 T1 after the first (RFC 6026).
    ///
    /// # Errors
    /// [`RespondError`]; nothing is sent then.
    pub fn respond(
        &mut self,
        server: ServerKey,
        response: Message,
        now: Instant,
    ) -> Result<(), RespondError> {
        let status = response.status().ok_or(RespondError::NotAResponse)?;
        if !response.headers.contains(HeaderName::Via) {
            return Err(RespondError::NoVia);
        }
        let Some(Transaction::Server(entry)) = self.table.get_mut(server.0) else {
            return Err(RespondError::Gone);
        };
        let reply = entry.reply();
        let ends = entry.admit(status, &self.config, now)?;
        let reply = reply.ok_or(RespondError::AlreadyFinal)?;
        let response = match reply.is_in_process() {
            true => {
                entry.remember(status, &response, None);
                Handed::new(response)
            }
            false => {
                let bytes = response.encode();
                entry.remember(status, &response, Some(&bytes));
                bytes.into()
            }
        };
        self.counters.responses_out += 1;
        self.send(reply, response);
        if ends {
            self.remove(server.0);
        } else {
            self.rearm(server.0);
        }
        Ok(())
    }

    /// Answers a request without keeping any state, with a To tag where one is due. Nothing is sent
    /// to an ACK or to a request without readable Via.
    pub fn respond_stateless(&mut self, request: &Message, flow: Flow, status: u16, reason: &str) {
        let response = Message::response_to(request, status, reason);
        self.answer_stateless(request, flow, response);
    }

    /// Whether a request belongs to a transaction that is there.
    pub fn knows(&self, request: &Message, flow: &Flow) -> bool {
        let (Some(method), Ok(via)) = (request.method(), request.top_via()) else {
            return false;
        };
        let source = flow.remote.ip();
        let key = self.index.server_key(request, &via, source, method);
        key.is_ok_and(|key| self.find(&key).is_some())
    }

    /// Refuses a request with 503 without keeping any state: a repetition gets the same answer
    /// (RFC 3261 section 8.2.7). `retry_after_s` is left out where it is none.
    pub fn turn_away(&mut self, request: Message, flow: Flow, retry_after_s: Option<u32>) {
        let mut request = request;
        let Ok(via) = request.top_via() else { return };
        let tag = self.index.tag_of(via.branch().unwrap_or_default());
        let via = complete_via(&mut request, via, &flow);
        let mut answer = Message::response_to(&request, 503, "");
        answer.set_to_tag(&tag);
        if let Some(seconds) = retry_after_s {
            answer
                .headers
                .push(HeaderName::RetryAfter, seconds.to_string());
        }
        self.counters.responses_out += 1;
        self.send(response_flow(&via, flow), answer.encode().into());
    }

    pub(super) fn answer_stateless(&mut self, request: &Message, flow: Flow, answer: Message) {
        let Ok(via) = request.top_via() else { return };
        if request.method().is_none_or(|method| *method == Method::Ack) {
            return;
        }
        let mut answer = answer;
        if answer.status() != Some(100) {
            let tag = self.tokens.tag();
            answer.set_to_tag(&tag);
        }
        self.counters.responses_out += 1;
        self.send(response_flow(&via, flow), answer.encode().into());
    }

    /// Says that a connection is gone: its transactions fail. Nothing happens for 0, which is UDP.
    pub fn flow_failed(&mut self, flow_connection: u64, now: Instant) {
        // The parameter keeps the signature of every call that changes state the same.
        let _ = now;
        if flow_connection == 0 {
            return;
        }
        let gone: Vec<Key> = self
            .table
            .iter()
            .filter(|(_, entry)| entry.connection() == flow_connection)
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            self.fail(key, Failure::Transport);
        }
    }

    /// Says that a request, as [`Output::Send`] gave it, did not reach the other side: its transaction
    /// fails. Nothing happens where that is over, or for an ACK, which has none.
    pub fn undelivered(&mut self, request: &Message, why: Failure) {
        let (Ok(via), Ok(cseq)) = (request.top_via(), request.cseq()) else {
            return;
        };
        let branch = via.branch();
        let key = branch.map(|branch| self.index.client_key(branch, &cseq.method));
        if let Some(place) = key.and_then(|key| self.find(&key)) {
            self.fail(place, why);
        }
    }

    /// Says that the way of one request is gone: its transaction fails. Cheaper than
    /// [`Layer::flow_failed`] where a flow carries one transaction.
    pub fn client_lost(&mut self, client: ClientKey) {
        self.fail(client.0, Failure::Transport);
    }

    /// The same for a request that was received.
    pub fn server_lost(&mut self, server: ServerKey) {
        self.fail(server.0, Failure::Transport);
    }

    /// Ends a transaction and says so where somebody waits for it.
    pub(super) fn fail(&mut self, key: Key, why: Failure) {
        let output = match self.remove(key) {
            Some(Transaction::Client(client)) if client.concerns_user() => Output::Failed {
                client: ClientKey(key),
                why,
            },
            Some(Transaction::Server(server)) if server.concerns_user() => Output::ServerFailed {
                server: ServerKey(key),
                why,
            },
            _ => return,
        };
        match why {
            Failure::Timeout => self.counters.timeouts += 1,
            Failure::Transport => self.counters.transport_failures += 1,
        }
        self.outputs.push_back(output);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Layer::wake`] wants to be called; costs nothing to ask.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.timers.first().map(|(deadline, _)| deadline)
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Transactions in the table.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True where there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A fresh tag for a To or From of the user's own.
    pub fn fresh_tag(&mut self) -> Text {
        self.tokens.tag().into()
    }

    pub(super) fn send(&mut self, flow: Flow, message: Handed) {
        self.outputs.push_back(Output::Send { flow, message });
    }

    pub(super) fn insert(&mut self, entry: Transaction) -> Option<Key> {
        let (deadline, key) = (entry.deadline(), entry.match_key());
        let place = self.table.insert(entry)?;
        self.index.insert(key, place);
        self.timers.set(place.index, deadline);
        Some(place)
    }

    /// Where the transaction is that `key` identifies.
    pub(super) fn find(&self, key: &MatchKey) -> Option<Key> {
        let of = |place| self.table.get(place).map(Transaction::match_key);
        self.index.get(key, of)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Transaction> {
        let entry = self.table.remove(key)?;
        self.index.remove(entry.match_key(), key);
        self.timers.set(key.index, None);
        Some(entry)
    }

    /// Tells the timers what the entry's deadline is now.
    pub(super) fn rearm(&mut self, key: Key) {
        if let Some(entry) = self.table.get(key) {
            let deadline = entry.deadline();
            self.timers.set(key.index, deadline);
        }
    }
}
