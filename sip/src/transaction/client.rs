//! Client transactions (RFC 3261 section 17.1, RFC 6026 section 7.2).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::Config;
use super::flow::Flow;
use super::matching::MatchKey;
use crate::cseq::CSeq;
use crate::message::Message;
use crate::method::Method;
use crate::name::HeaderName;

/// Where a client transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientState {
    /// Calling (INVITE) or Trying: no answer yet.
    Start,
    /// A provisional answer came.
    Proceeding,
    /// The final answer came; of an INVITE a failure, which we acknowledge each time it comes.
    Completed,
    /// A 2xx of an INVITE came; more may come (RFC 6026).
    Accepted,
}

/// Whether the user wants the INVITE cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CancelState {
    /// Whether a CANCEL waits for the first provisional answer.
    Wanted(bool),
    /// It was sent.
    Sent,
}

/// One client transaction: after its final answer a tombstone, small for the 32 s that it stays.
pub(super) struct Client {
    pub(super) key: MatchKey,
    /// When the transaction ends: timers B, F (no answer), D, K (absorbing), M (more 2xx), or the
    /// limits of Proceeding.
    pub(super) end_at: Option<Instant>,
    /// The connection that it went by; 0 for UDP.
    pub(super) connection: u64,
    rest: Rest,
    pub(super) state: ClientState,
    pub(super) invite: bool,
    /// Answers concern nobody: the layer's own CANCEL.
    pub(super) silent: bool,
    pub(super) cancel: CancelState,
}

/// What only some states need.
enum Rest {
    /// No final answer.
    Pending(Box<Pending>),
    /// An INVITE failed: its ACK, for each time that the answer comes.
    Failed(Box<(Flow, Bytes)>),
    /// Nothing will be sent any more.
    Nothing,
}

struct Pending {
    flow: Flow,
    /// Of an INVITE: what its ACK or CANCEL is made of.
    invite: Option<Message>,
    /// What may have to be sent again.
    bytes: Option<Bytes>,
    /// Timers A and E.
    retransmit_at: Option<Instant>,
    interval: Duration,
}

/// What to do with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Send this: the ACK of a failure.
    pub(super) send: Option<(Flow, Bytes)>,
    /// Give the response to the user.
    pub(super) deliver: bool,
    /// Now send the CANCEL that waited.
    pub(super) send_cancel: bool,
    /// The transaction is over.
    pub(super) ends: bool,
}

const NOTHING: Step = Step {
    send: None,
    deliver: false,
    send_cancel: false,
    ends: false,
};

impl Client {
    /// Of a request, which is given if it is an INVITE, with its `bytes` if they may have to be sent
    /// again.
    pub(super) fn new(
        invite: Option<Message>,
        bytes: Option<Bytes>,
        key: MatchKey,
        flow: Flow,
        silent: bool,
        config: &Config,
        now: Instant,
    ) -> Client {
        let is_invite = invite.is_some();
        let pending = Pending {
            flow,
            invite,
            retransmit_at: bytes.is_some().then(|| now + config.t1),
            bytes,
            interval: config.t1,
        };
        Client {
            key,
            end_at: Some(now + config.timeout()),
            connection: flow.connection,
            rest: Rest::Pending(Box::new(pending)),
            state: ClientState::Start,
            invite: is_invite,
            silent,
            cancel: CancelState::Wanted(false),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let retransmit_at = match &self.rest {
            Rest::Pending(pending) => pending.retransmit_at,
            Rest::Failed(_) | Rest::Nothing => None,
        };
        [retransmit_at, self.end_at].into_iter().flatten().min()
    }

    /// True while the user waits for an answer.
    pub(super) fn concerns_user(&self) -> bool {
        !self.silent && matches!(self.state, ClientState::Start | ClientState::Proceeding)
    }

    /// Takes a response; `None` where it is of no use.
    pub(super) fn receive(
        &mut self,
        status: u16,
        response: &Message,
        config: &Config,
        now: Instant,
    ) -> Option<Step> {
        match (self.state, self.invite) {
            (ClientState::Start | ClientState::Proceeding, true) => {
                Some(self.receive_pending_invite(status, response, config, now))
            }
            (ClientState::Start | ClientState::Proceeding, false) => {
                Some(self.receive_pending_other(status, config, now))
            }
            (ClientState::Accepted, _) => {
                let again = (200..300).contains(&status);
                again.then(|| Step {
                    deliver: !self.silent,
                    ..NOTHING
                })
            }
            (ClientState::Completed, true) if status >= 300 => Some(Step {
                send: match &self.rest {
                    Rest::Failed(ack) => Some((**ack).clone()),
                    Rest::Pending(_) | Rest::Nothing => None,
                },
                ..NOTHING
            }),
            (ClientState::Completed, _) => None,
        }
    }

    /// Forgets what only a transaction without final answer needs, and gives it.
    fn settle(&mut self) -> Option<Box<Pending>> {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Pending(pending) => Some(pending),
            Rest::Failed(_) | Rest::Nothing => None,
        }
    }

    fn receive_pending_invite(
        &mut self,
        status: u16,
        response: &Message,
        config: &Config,
        now: Instant,
    ) -> Step {
        let mut step = Step {
            deliver: !self.silent,
            ..NOTHING
        };
        if status < 200 {
            if let Rest::Pending(pending) = &mut self.rest {
                pending.retransmit_at = None;
                pending.bytes = None;
            }
            self.state = ClientState::Proceeding;
            // A CANCEL under way has set the end already.
            if self.cancel != CancelState::Sent {
                self.end_at = Some(now + config.proceeding_limit);
            }
            step.send_cancel = self.cancel == CancelState::Wanted(true);
            return step;
        }
        let pending = self.settle();
        if status < 300 {
            self.state = ClientState::Accepted;
            self.end_at = Some(now + config.timeout());
        } else {
            self.state = ClientState::Completed;
            step.ends = pending.as_ref().is_some_and(|it| it.flow.is_reliable());
            step.send = pending.and_then(|pending| pending.ack(response));
            if let (Some(ack), false) = (&step.send, step.ends) {
                self.rest = Rest::Failed(Box::new(ack.clone()));
            }
            // Timer D is at least 32 s over UDP and nothing over the others.
            self.end_at = Some(now + config.timeout().max(Duration::from_secs(32)));
        }
        step
    }

    fn receive_pending_other(&mut self, status: u16, config: &Config, now: Instant) -> Step {
        let mut step = Step {
            deliver: !self.silent,
            ..NOTHING
        };
        if status >= 200 {
            self.state = ClientState::Completed;
            self.end_at = Some(now + config.t4);
            step.ends = self.settle().is_some_and(|it| it.flow.is_reliable());
        } else if self.state == ClientState::Start {
            self.state = ClientState::Proceeding;
            if let Rest::Pending(pending) = &mut self.rest {
                pending.interval = config.t2;
            }
        }
        step
    }

    /// What to send again at `now`, if it is time (timers A and E).
    pub(super) fn retransmit(&mut self, config: &Config, now: Instant) -> Option<(Flow, Bytes)> {
        let Rest::Pending(pending) = &mut self.rest else {
            return None;
        };
        if pending.retransmit_at? > now {
            return None;
        }
        pending.interval = match (self.invite, self.state) {
            (true, _) => pending.interval.saturating_mul(2),
            (false, ClientState::Proceeding) => config.t2,
            (false, _) => pending.interval.saturating_mul(2).min(config.t2),
        };
        pending.retransmit_at = Some(now + pending.interval);
        Some((pending.flow, pending.bytes.clone()?))
    }

    /// The CANCEL of a pending INVITE, and its way.
    pub(super) fn build_cancel(&self) -> Option<(Flow, Message)> {
        let Rest::Pending(pending) = &self.rest else {
            return None;
        };
        Some((pending.flow, pending.along_invite(Method::Cancel, None)?))
    }
}

impl Pending {
    /// What RFC 3261 sections 9.1 and 17.1.1.3 have in common: a request along the INVITE's way.
    fn along_invite(&self, method: Method, to: Option<&crate::text::Text>) -> Option<Message> {
        let invite = self.invite.as_ref()?;
        let mut out = Message::request(method.clone(), invite.uri().unwrap_or_default());
        if let Some(via) = invite.headers.all_split(HeaderName::Via).next() {
            out.headers.push(HeaderName::Via, via);
        }
        for (name, value) in invite.headers.iter() {
            match name {
                HeaderName::Route | HeaderName::From | HeaderName::CallId => {
                    out.headers.push(name, value);
                }
                HeaderName::To => out.headers.push(name, to.unwrap_or(value)),
                _ => {}
            }
        }
        let number = invite.cseq().map(|cseq| cseq.number).unwrap_or_default();
        out.headers
            .push(HeaderName::CSeq, CSeq::new(number, method));
        out.headers.push(HeaderName::MaxForwards, "70");
        Some(out)
    }

    /// The ACK of a failure, and its way.
    fn ack(&self, response: &Message) -> Option<(Flow, Bytes)> {
        let ack = self.along_invite(Method::Ack, response.headers.text(HeaderName::To))?;
        Some((self.flow, ack.encode()))
    }
}
