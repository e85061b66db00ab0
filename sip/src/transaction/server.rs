//! Server transactions (RFC 3261 section 17.2, RFC 6026 section 7.1, RFC 4320).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::RespondError;
use super::config::Config;
use super::flow::Flow;
use super::matching::MatchKey;
use crate::message::Message;
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

/// One server transaction.
pub(super) struct Server {
    pub(super) state: ServerState,
    pub(super) invite: bool,
    pub(super) key: MatchKey,
    /// Where the request came from.
    pub(super) flow: Flow,
    /// Where answers go.
    pub(super) reply: Flow,
    /// What a repeated request gets.
    pub(super) last: Option<Bytes>,
    pub(super) cancelled: bool,
    /// The To tag of our answers, once there was one.
    pub(super) to_tag: Option<Text>,
    /// Kept until the final answer, for the 100 or 408 that the layer may have to send.
    request: Option<Message>,
    trying_at: Option<Instant>,
    /// Timer G.
    retransmit_at: Option<Instant>,
    interval: Duration,
    /// Timers H, I, J, L, or the limits of the states that wait for the user.
    pub(super) end_at: Option<Instant>,
}

impl Server {
    pub(super) fn new(
        request: Message,
        invite: bool,
        key: MatchKey,
        flow: Flow,
        reply: Flow,
        config: &Config,
        now: Instant,
    ) -> Server {
        let (trying, end) = match invite {
            true => (config.trying_delay, config.proceeding_limit),
            false => (config.non_invite_trying_delay(), config.timeout()),
        };
        Server {
            state: ServerState::Trying,
            invite,
            key,
            flow,
            reply,
            last: None,
            cancelled: false,
            to_tag: None,
            request: Some(request),
            trying_at: Some(now + trying),
            retransmit_at: None,
            interval: config.t1,
            end_at: Some(now + end),
        }
    }

    /// A transaction that is answered already: the layer's own 200 or 481 to a CANCEL.
    pub(super) fn answered(
        key: MatchKey,
        flow: Flow,
        reply: Flow,
        answer: Bytes,
        end_at: Instant,
    ) -> Server {
        Server {
            state: ServerState::Completed,
            invite: false,
            key,
            flow,
            reply,
            last: Some(answer),
            cancelled: false,
            to_tag: None,
            request: None,
            trying_at: None,
            retransmit_at: None,
            interval: Duration::ZERO,
            end_at: Some(end_at),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.trying_at, self.retransmit_at, self.end_at]
            .into_iter()
            .flatten()
            .min()
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

    /// The INVITE that nobody answered.
    pub(super) fn unanswered_invite(&self) -> Option<&Message> {
        self.request
            .as_ref()
            .filter(|_| self.invite && self.is_pending())
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

    fn admit_invite(&mut self, status: u16, config: &Config, now: Instant) {
        self.trying_at = None;
        if status < 200 {
            self.state = ServerState::Proceeding;
            self.end_at = Some(now + config.proceeding_limit);
            return;
        }
        self.request = None;
        if status < 300 {
            self.state = ServerState::Accepted;
            self.end_at = Some(now + config.timeout());
        } else {
            self.state = ServerState::Completed;
            self.end_at = Some(now + config.timeout());
            self.retransmit_at = (!self.reply.is_reliable()).then(|| now + config.t1);
        }
    }

    fn admit_other(
        &mut self,
        status: u16,
        config: &Config,
        now: Instant,
    ) -> Result<bool, RespondError> {
        if status < 200 {
            let early = !self.reply.is_reliable() && self.trying_at.is_some_and(|at| at > now);
            if status != 100 || early {
                return Err(RespondError::Rfc4320);
            }
            self.trying_at = None;
            self.state = ServerState::Proceeding;
            return Ok(false);
        }
        self.trying_at = None;
        self.request = None;
        if status == 408 {
            // The client has given up by now as well; a late 408 would only harm (section 4.2).
            self.state = ServerState::Completed;
            self.end_at = Some(now + config.timeout());
            return Err(RespondError::Rfc4320);
        }
        self.state = ServerState::Completed;
        self.end_at = Some(now + config.timeout());
        Ok(self.reply.is_reliable())
    }

    /// Keeps what a repeated request is to get.
    pub(super) fn remember(&mut self, status: u16, response: &Message, bytes: &Bytes) {
        if self.to_tag.is_none() && status > 100 {
            self.to_tag = response.to_tag();
        }
        // The 2xx of an INVITE is repeated by the user, end to end.
        let repeated_by_user = self.invite && (200..300).contains(&status);
        self.last = (!repeated_by_user).then(|| bytes.clone());
    }

    /// Takes an ACK in Completed: true where the transaction ends with it.
    pub(super) fn acknowledge(&mut self, config: &Config, now: Instant) -> bool {
        self.state = ServerState::Confirmed;
        self.retransmit_at = None;
        self.last = None;
        self.end_at = Some(now + config.t4);
        self.reply.is_reliable()
    }

    /// The 100 to send at `now`, if it is time.
    pub(super) fn trying(&mut self, now: Instant) -> Option<Bytes> {
        if self.trying_at? > now {
            return None;
        }
        self.trying_at = None;
        let bytes = Message::response_to(self.request.as_ref()?, 100, "").encode();
        self.state = ServerState::Proceeding;
        self.last = Some(bytes.clone());
        Some(bytes)
    }

    /// What to send again at `now`, if it is time (timer G).
    pub(super) fn retransmit(&mut self, config: &Config, now: Instant) -> Option<Bytes> {
        if self.retransmit_at? > now {
            return None;
        }
        self.interval = self.interval.saturating_mul(2).min(config.t2);
        self.retransmit_at = Some(now + self.interval);
        self.last.clone()
    }
}
