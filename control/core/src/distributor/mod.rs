//! The distributor: told what happens and when, says what to do.

use crate::counters::Counters;
use crate::explain::{Explanation, Outcome};
use crate::facts::Facts;
use crate::id::IdSource;
use crate::input::{Input, Now};
use crate::output::{Output, RefuseReason};
use crate::snapshot::Snapshot;
use core::time::Duration;
use std::collections::VecDeque;

/// A whole centre at work.
#[derive(Debug)]
pub struct Distributor {
    ids: IdSource,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Distributor {
    /// An empty one; refuses contacts until it is configured. The seed names its offers: give
    /// another one to each process.
    pub fn new(seed: u64) -> Self {
        Self {
            ids: IdSource::new(seed),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes one input. Call [`Distributor::poll`] until it gives nothing afterwards.
    pub fn handle(&mut self, input: Input, now: Now) {
        let _ = (input, now, self.ids.number());
    }

    /// Lets the timers run that are due. Call it when [`Distributor::next_wakeup`] says.
    pub fn wake(&mut self, now: Now) {
        let _ = now;
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Distributor::wake`] is next needed, on the clock of [`Now::mono`].
    pub fn next_wakeup(&self) -> Option<Duration> {
        None
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The state for the API.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let _ = now;
        Snapshot::default()
    }

    /// What would happen to a contact with these facts, and why; changes nothing.
    pub fn explain(&self, facts: &Facts, now: Now) -> Explanation {
        let _ = (facts, now);
        Explanation {
            media: Vec::new(),
            unusable: Vec::new(),
            rules: Vec::new(),
            typed: None,
            choice: None,
            outcome: Outcome::Refuse {
                status: RefuseReason::NotConfigured.status(),
                why: RefuseReason::NotConfigured,
            },
        }
    }
}
