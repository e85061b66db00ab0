//! What the layer does when time passes.

use std::time::Instant;

use super::Failure;
use super::client::{CancelState, ClientState};
use super::layer::{Layer, Transaction};
use super::slab::Key;
use crate::message::Message;

/// Most deadlines handled in one call of [`Layer::wake`], so that a burst cannot hold up the caller
/// or flood its queue; the rest stay due.
pub const MAX_WAKE_BATCH: usize = 1024;

impl Layer {
    /// Does what is due at `now`: at most [`MAX_WAKE_BATCH`] deadlines, after which
    /// [`Layer::next_wakeup`] may still be in the past.
    pub fn wake(&mut self, now: Instant) {
        for _ in 0..MAX_WAKE_BATCH {
            let Some((deadline, place)) = self.timers.first() else {
                return;
            };
            if deadline > now {
                return;
            }
            match self.table.key_at(place) {
                Some(key) => self.wake_one(key, now),
                None => self.timers.set(place, None),
            }
        }
    }

    fn wake_one(&mut self, key: Key, now: Instant) {
        let Some(entry) = self.table.get_mut(key) else {
            return;
        };
        let (ended, sent, flow) = match entry {
            Transaction::Client(client) => {
                let ended = client.end_at.is_some_and(|at| at <= now);
                let sent = if ended {
                    None
                } else {
                    client.retransmit(&self.config, now)
                };
                (ended, sent, client.flow)
            }
            Transaction::Server(server) => {
                let ended = server.end_at.is_some_and(|at| at <= now);
                let again = if ended {
                    None
                } else {
                    server.retransmit(&self.config, now)
                };
                let sent = if ended {
                    None
                } else {
                    again.or_else(|| server.trying(now))
                };
                (ended, sent, server.reply)
            }
        };
        if ended {
            return self.end_one(key, now);
        }
        if let Some(bytes) = sent {
            self.counters.retransmissions += 1;
            self.send(flow, bytes);
        }
        self.rearm(key);
    }

    /// Ends a transaction whose time is over.
    fn end_one(&mut self, key: Key, now: Instant) {
        match self.table.get(key) {
            // Nobody cancelled in time what rings for ever: do it for them.
            Some(Transaction::Client(client))
                if client.invite
                    && client.state == ClientState::Proceeding
                    && client.cancel != CancelState::Sent =>
            {
                self.send_cancel(key, now);
                self.fail(key, Failure::Timeout);
            }
            Some(Transaction::Server(server)) => {
                // RFC 4320: only an INVITE is told so.
                if let Some(invite) = server.unanswered_invite() {
                    let (mut answer, reply) = (Message::response_to(invite, 408, ""), server.reply);
                    answer.set_to_tag(&self.tokens.tag());
                    self.counters.responses_out += 1;
                    self.send(reply, answer.encode());
                }
                self.fail(key, Failure::Timeout);
            }
            _ => self.fail(key, Failure::Timeout),
        }
    }
}
