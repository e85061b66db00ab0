//! Server transactions (RFC 3261 section 17.2, RFC 6026 section 7.1, RFC 4320).

use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

use super::RespondError;
use super::config::Config;
use super::flow::Flow;
use super::matching::MatchKey;
use crate::headers::Headers;
use crate::message::{Message, StartLine};
use crate::method::Method;
use crate::name::HeaderName;
use crate::text::Text;

/// Where a server transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerState {
    /// Nothing was answered.
    Trying,
    /// A provisional answer was sent.
    Proceeding,
    /// The final answer was sent; of an INVITE a failure, which wants its ACK.
    Completed,
    /// The failure of an INVITE was acknowledged.
    Confirmed,
    /// A 2xx of an INVITE was sent (RFC 6026).
    Accepted,
}

/// One server transaction: after its final answer a tombstone, small for the 32 s that it stays.
pub(super) struct Server {
    pub(super) key: MatchKey,
    /// Timers H, I, J, L, or the limits of the states that wait for the user.
    pub(super) end_at: Option<Instant>,
    /// The connection that the request came by; 0 for UDP.
    pub(super) connection: u64,
    rest: Rest,
    pub(super) state: ServerState,
    pub(super) invite: bool,
    pub(super) cancelled: bool,
}

/// Two Via, From, To, Call-ID and CSeq.
const USUAL_COPIED: usize = 6;

/// What only some states need.
enum Rest {
    /// No final answer.
    Pending(Box<Pending>),
    /// An INVITE was refused, and its ACK is waited for.
    Refused(Box<Refused>),
    /// A 2xx of an INVITE was sent, which the user repeats, end to end.
    Accepted(Box<Accepted>),
    /// Another request was answered: what a repetition of it gets.
    Answered(Box<Answered>),
    /// Nothing will be sent any more but to a CANCEL, which gets this To tag.
    Silent(Option<Box<Text>>),
}

struct Pending {
    /// Where answers go.
    reply: Flow,
    /// What a repeated request gets.
    last: Option<Bytes>,
    /// The To tag of our answers, once there was one.
    to_tag: Option<Text>,
    /// What the layer's own 100 or 408 takes from the request.
    copied: SmallVec<[(HeaderName, Text); USUAL_COPIED]>,
    trying_at: Option<Instant>,
}

impl Pending {
    /// An answer of the layer's own, without To tag.
    fn answer(&self, status: u16) -> Message {
        let reason = crate::status::reason(status).into();
        let mut headers = Headers::with_capacity(self.copied.len() + 1);
        let lines = self.copied.iter();
        // RFC 3261 section 8.2.6.1: Timestamp stands in a 100.
        headers.extend(
            lines
                .filter(|(name, _)| status == 100 || *name != HeaderName::Timestamp)
                .cloned(),
        );
        Message {
            start: StartLine::Response { status, reason },
            headers,
            body: Bytes::new(),
        }
    }
}

struct Refused {
    reply: Flow,
    last: Option<Bytes>,
    to_tag: Option<Text>,
    /// Timer G.
    retransmit_at: Option<Instant>,
    interval: Duration,
}

struct Accepted {
    reply: Flow,
    to_tag: Option<Text>,
}

struct Answered {
    reply: Flow,
    last: Option<Bytes>,
}

impl Server {
    pub(super) fn new(
        request: &Message,
        key: MatchKey,
        reply: Flow,
        config: &Config,
        now: Instant,
    ) -> Server {
        let invite = request.method() == Some(&Method::Invite);
        let (trying, end) = match invite {
            true => (config.trying_delay, config.proceeding_limit),
            false => (config.non_invite_trying_delay(), config.timeout()),
        };
        let pending = Pending {
            reply,
            last: None,
            to_tag: None,
            copied: Message::copied(request, 100).collect(),
            trying_at: Some(now + trying),
        };
        Server {
            key,
            end_at: Some(now + end),
            connection: reply.connection,
            rest: Rest::Pending(Box::new(pending)),
            state: ServerState::Trying,
            invite,
            cancelled: false,
        }
    }

    /// A transaction that is answered already: the layer's own 200 or 481 to a CANCEL.
    pub(super) fn answered(key: MatchKey, reply: Flow, answer: Bytes, end_at: Instant) -> Server {
        let last = Some(answer);
        Server {
            key,
            end_at: Some(end_at),
            connection: reply.connection,
            rest: Rest::Answered(Box::new(Answered { reply, last })),
            state: ServerState::Completed,
            invite: false,
            cancelled: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let sends_at = match &self.rest {
            Rest::Pending(pending) => pending.trying_at,
            Rest::Refused(refused) => refused.retransmit_at,
            Rest::Accepted(_) | Rest::Answered(_) | Rest::Silent(_) => None,
        };
        [sends_at, self.end_at].into_iter().flatten().min()
    }

    /// True while the user owes an answer, or waits for the ACK of a failure.
    pub(super) fn concerns_user(&self) -> bool {
        match self.state {
            ServerState::Trying | ServerState::Proceeding => true,
            ServerState::Completed => self.invite,
            ServerState::Confirmed | ServerState::Accepted => false,
        }
    }

    /// True while no final answer was sent.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, ServerState::Trying | ServerState::Proceeding)
    }

    /// Where answers go; none where no more are sent.
    pub(super) fn reply(&self) -> Option<Flow> {
        match &self.rest {
            Rest::Pending(pending) => Some(pending.reply),
            Rest::Refused(refused) => Some(refused.reply),
            Rest::Accepted(accepted) => Some(accepted.reply),
            Rest::Answered(answered) => Some(answered.reply),
            Rest::Silent(_) => None,
        }
    }

    /// What a repeated request gets, and where.
    pub(super) fn again(&self) -> Option<(Flow, Bytes)> {
        let (reply, last) = match &self.rest {
            Rest::Pending(pending) => (pending.reply, &pending.last),
            Rest::Refused(refused) => (refused.reply, &refused.last),
            Rest::Answered(answered) => (answered.reply, &answered.last),
            Rest::Accepted(_) | Rest::Silent(_) => return None,
        };
        Some((reply, last.clone()?))
    }

    /// The To tag of our answers, once there was one.
    pub(super) fn to_tag(&self) -> Option<Text> {
        match &self.rest {
            Rest::Pending(pending) => pending.to_tag.clone(),
            Rest::Refused(refused) => refused.to_tag.clone(),
            Rest::Accepted(accepted) => accepted.to_tag.clone(),
            Rest::Answered(_) => None,
            Rest::Silent(to_tag) => to_tag.as_deref().cloned(),
        }
    }

    /// The 408 of an INVITE that nobody answered, without its To tag, and where it goes.
    pub(super) fn given_up(&self) -> Option<(Flow, Message)> {
        match &self.rest {
            Rest::Pending(pending) if self.invite => Some((pending.reply, pending.answer(408))),
            _ => None,
        }
    }

    /// Moves on for an answer of `status`; true where the transaction ends with it.
    pub(super) fn admit(
        &mut self,
        status: u16,
        config: &Config,
        now: Instant,
    ) -> Result<bool, RespondError> {
        match (self.state, self.invite) {
            (ServerState::Trying | ServerState::Proceeding, true) => {
                self.admit_invite(status, config, now);
                Ok(false)
            }
            (ServerState::Trying | ServerState::Proceeding, false) => {
                self.admit_other(status, config, now)
            }
            (ServerState::Accepted, _) if (200..300).contains(&status) => Ok(false),
            _ => Err(RespondError::AlreadyFinal),
        }
    }

    /// Forgets what only a transaction without final answer needs, and gives it.
    fn settle(&mut self) -> Option<Box<Pending>> {
        match std::mem::replace(&mut self.rest, Rest::Silent(None)) {
            Rest::Pending(pending) => Some(pending),
            rest => {
                self.rest = rest;
                None
            }
        }
    }

    fn admit_invite(&mut self, status: u16, config: &Config, now: Instant) {
        if status < 200 {
            if let Rest::Pending(pending) = &mut self.rest {
                pending.trying_at = None;
            }
            self.state = ServerState::Proceeding;
            self.end_at = Some(now + config.proceeding_limit);
            return;
        }
        let Some(pending) = self.settle() else { return };
        let Pending { reply, to_tag, .. } = *pending;
        self.end_at = Some(now + config.timeout());
        if status < 300 {
            self.state = ServerState::Accepted;
            self.rest = Rest::Accepted(Box::new(Accepted { reply, to_tag }));
        } else {
            self.state = ServerState::Completed;
            self.rest = Rest::Refused(Box::new(Refused {
                reply,
                last: None,
                to_tag,
                retransmit_at: (!reply.is_reliable()).then(|| now + config.t1),
                interval: config.t1,
            }));
        }
    }

    fn admit_other(
        &mut self,
        status: u16,
        config: &Config,
        now: Instant,
    ) -> Result<bool, RespondError> {
        if status < 200 {
            let Rest::Pending(pending) = &mut self.rest else {
                return Err(RespondError::AlreadyFinal);
            };
            let early =
                !pending.reply.is_reliable() && pending.trying_at.is_some_and(|at| at > now);
            if status != 100 || early {
                return Err(RespondError::Rfc4320);
            }
            pending.trying_at = None;
            self.state = ServerState::Proceeding;
            return Ok(false);
        }
        let reply = self.settle().map(|pending| pending.reply);
        self.state = ServerState::Completed;
        self.end_at = Some(now + config.timeout());
        if status == 408 {
            // The client has given up by now as well; a late 408 would only harm (section 4.2).
            return Err(RespondError::Rfc4320);
        }
        match reply {
            Some(reply) if !reply.is_reliable() => {
                self.rest = Rest::Answered(Box::new(Answered { reply, last: None }));
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Keeps what a repeated request is to get; `bytes` are left out where none will come.
    pub(super) fn remember(&mut self, status: u16, response: &Message, bytes: Option<&Bytes>) {
        let (last, to_tag) = match &mut self.rest {
            Rest::Pending(pending) => (Some(&mut pending.last), Some(&mut pending.to_tag)),
            Rest::Refused(refused) => (Some(&mut refused.last), Some(&mut refused.to_tag)),
            Rest::Accepted(accepted) => (None, Some(&mut accepted.to_tag)),
            Rest::Answered(answered) => (Some(&mut answered.last), None),
            Rest::Silent(_) => (None, None),
        };
        if let Some(last) = last {
            *last = bytes.cloned();
        }
        if let Some(to_tag) = to_tag
            && to_tag.is_none()
            && status > 100
        {
            *to_tag = response.to_tag();
        }
    }

    /// Takes an ACK in Completed: true where the transaction ends with it.
    pub(super) fn acknowledge(&mut self, config: &Config, now: Instant) -> bool {
        let reliable = self.reply().is_some_and(|reply| reply.is_reliable());
        self.state = ServerState::Confirmed;
        self.rest = Rest::Silent(self.to_tag().map(Box::new));
        self.end_at = Some(now + config.t4);
        reliable
    }

    /// The 100 to send at `now`, if it is time, and where.
    pub(super) fn trying(&mut self, now: Instant) -> Option<(Flow, Bytes)> {
        let Rest::Pending(pending) = &mut self.rest else {
            return None;
        };
        if pending.trying_at? > now {
            return None;
        }
        pending.trying_at = None;
        let bytes = pending.answer(100).encode();
        self.state = ServerState::Proceeding;
        pending.last = Some(bytes.clone());
        Some((pending.reply, bytes))
    }

    /// What to send again at `now`, if it is time (timer G), and where.
    pub(super) fn retransmit(&mut self, config: &Config, now: Instant) -> Option<(Flow, Bytes)> {
        let Rest::Refused(refused) = &mut self.rest else {
            return None;
        };
        if refused.retransmit_at? > now {
            return None;
        }
        refused.interval = refused.interval.saturating_mul(2).min(config.t2);
        refused.retransmit_at = Some(now + refused.interval);
        Some((refused.reply, refused.last.clone()?))
    }
}
