//! What is due when: a heap whose entries are looked at again when they come up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::{T1, T2};

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A caller has no final answer to its INVITE.
    Invite,
    /// A caller has talked enough.
    HangUp,
    /// A caller has no answer to its BYE.
    Bye,
    /// A phone has no ACK to its 200.
    Answer,
}

/// Times since the run's begin, each with the number of a call or leg.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Duration, u32, Due)>>);

impl Timers {
    pub fn set(&mut self, at: Duration, number: u32, due: Due) {
        self.0.push(Reverse((at, number, due)));
    }

    /// For what has been sent `tries` times, the first one counted.
    pub fn set_retry(&mut self, now: Duration, number: u32, due: Due, tries: u32) {
        let wait = T1 * 2_u32.saturating_pow(tries.saturating_sub(1));
        self.set(now + wait.min(T2), number, due);
    }

    /// What is due now, one at a time.
    pub fn pop(&mut self, now: Duration) -> Option<(u32, Due)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, number, due))| (number, due))
    }

    pub fn next(&self) -> Option<Duration> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let mut timers = Timers::default();
        let mut waits = Vec::new();
        for tries in 1..=5 {
            timers.set_retry(Duration::ZERO, tries, Due::Bye, tries);
            waits.extend(timers.next().map(|at| at.as_millis()));
            assert_eq!(timers.pop(Duration::from_secs(9)), Some((tries, Due::Bye)));
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 4000]);
    }

    #[test]
    fn nothing_comes_up_before_its_time() {
        let mut timers = Timers::default();
        timers.set(Duration::from_secs(2), 1, Due::HangUp);
        timers.set(Duration::from_secs(1), 2, Due::Invite);
        assert_eq!(timers.pop(Duration::from_millis(999)), None);
        assert_eq!(timers.pop(Duration::from_secs(1)), Some((2, Due::Invite)));
        assert_eq!(timers.pop(Duration::from_secs(1)), None);
    }
}
