//! What the layer does when time passes.

use std::time::Instant;

use super::Failure;
use super::client::{CancelState, ClientState};
use super::layer::{Layer, Transaction};
use super::slab::Key;

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
        let config = &self.config;
        let (ended, sent) = match entry {
            Transaction::Client(client) if client.end_at.is_none_or(|at| at > now) => {
                (false, client.retransmit(config, now))
            }
            Transaction::Server(server) if server.end_at.is_none_or(|at| at > now) => {
                let again = server.retransmit(config, now);
                (false, again.or_else(|| server.trying(now)))
            }
            _ => (true, None),
        };
        if ended {
            return self.end_one(key, now);
        }
        if let Some((flow, bytes)) = sent {
            self.counters.retransmissions += 1;
            self.send(flow, bytes.into());
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
                if let Some((reply, mut answer)) = server.given_up() {
                    answer.set_to_tag(&self.tokens.tag());
                    self.counters.responses_out += 1;
                    self.send(reply, answer.encode().into());
                }
                self.fail(key, Failure::Timeout);
            }
            _ => self.fail(key, Failure::Timeout),
        }
    }
}
