//! What an agent's time passes with.

use patchbay_core::{Activity, Status};

use super::Key;

/// What time passes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// In a call or in wrap-up.
    Busy,
    /// Ready and reachable.
    Free,
    /// Paused and reachable.
    Paused,
    /// Not at work, or nothing is known.
    Away,
}

/// One agent as events told it.
#[derive(Debug, Default)]
pub struct Clock {
    status: Option<Status>,
    reachable: bool,
    busy: bool,
    /// Since when it does what it does, in milliseconds of Unix time.
    pub since: u64,
    /// The row of the call that ended last, until the next activity.
    pub last_call: Option<Key>,
    /// The row that the wrap-up under way belongs to, and since when.
    pub wrap_up: Option<(Key, u64)>,
}

impl Clock {
    /// One of which nothing is known.
    pub fn new(since: u64) -> Clock {
        Clock {
            since,
            ..Clock::default()
        }
    }

    /// What it does. Whoever is in a call or finishes one works, even if paused or without a phone.
    pub fn doing(&self) -> Doing {
        match &self.status {
            _ if self.busy => Doing::Busy,
            Some(Status::Ready) if self.reachable => Doing::Free,
            Some(Status::Paused { .. }) if self.reachable => Doing::Paused,
            _ => Doing::Away,
        }
    }

    /// Its status changed.
    pub fn status(&mut self, status: &Status, reachable: bool) {
        self.status = Some(status.clone());
        self.reachable = reachable;
    }

    /// Its activity changed. Gives the wrap-up that is over with it: its row and its length.
    pub fn activity(&mut self, activity: &Activity, now: u64) -> Option<(Key, u64)> {
        let wrap_up = matches!(activity, Activity::WrapUp { .. });
        self.busy = wrap_up || matches!(activity, Activity::InCall { .. });
        let over = self.wrap_up.take();
        let last = self.last_call.take();
        if wrap_up {
            self.wrap_up = last.map(|key| (key, now));
        }
        over.map(|(key, since)| (key, now.saturating_sub(since)))
    }
}
