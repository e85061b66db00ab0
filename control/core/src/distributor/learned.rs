//! What a queue learns from its contacts.

use core::time::Duration;
use std::collections::VecDeque;

/// Contacts that the mean handling time goes by.
const HANDLED: u32 = 200;
/// Contacts that the rate of giving up goes by.
const STOPPED: f64 = 500.0;
/// Contacts that the error of the expected wait is taken of.
const COMPARED: usize = 201;

/// What was seen of a queue's contacts of late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    pub kept: Kept,
    /// Mean time that a contact takes of an agent, from the offer to the end of wrap-up, in seconds.
    handling: f64,
    handled: u32,
    /// Seconds that contacts waited, and how many of them gave up, the older the less.
    waited_s: f64,
    gave_up: f64,
    /// How far expected and real waits were apart, the oldest first.
    errors: VecDeque<Duration>,
}

impl Learned {
    pub fn handled(&mut self, took: Duration) {
        self.handled = self.handled.saturating_add(1).min(HANDLED);
        self.handling += (took.as_secs_f64() - self.handling) / f64::from(self.handled);
    }

    /// Seconds; none before the first contact was handled.
    pub fn handling(&self) -> Option<f64> {
        (self.handled > 0).then_some(self.handling)
    }

    /// A contact has stopped waiting.
    pub fn stopped(&mut self, waited: Duration, gave_up: bool) {
        let part = 1.0 - 1.0 / STOPPED;
        self.waited_s = self.waited_s * part + waited.as_secs_f64();
        self.gave_up = self.gave_up * part + f64::from(u8::from(gave_up));
    }

    /// Contacts that give up, a second and for each that waits.
    pub fn given_up(&self) -> f64 {
        match self.waited_s > 0.0 {
            true => self.gave_up / self.waited_s,
            false => 0.0,
        }
    }

    pub fn waited(&mut self, expected: Duration, waited: Duration) {
        self.errors.push_back(expected.abs_diff(waited));
        if self.errors.len() > COMPARED {
            self.errors.pop_front();
        }
    }

    /// The median of how far expected and real waits were apart.
    pub fn error(&self) -> Option<Duration> {
        let mut errors = Vec::from_iter(self.errors.iter().copied());
        errors.sort_unstable();
        errors.get(errors.len() / 2).copied()
    }
}

/// The part of the last contacts that was answered in time, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept(f64);

impl Default for Kept {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Kept {
    /// What one contact counts: the last twenty or so make most of it.
    const ONE: f64 = 0.05;

    pub fn count(&mut self, in_time: bool) {
        self.0 += Self::ONE * (f64::from(u8::from(in_time)) - self.0);
    }

    /// How far it is from what is aimed at, in thousandths; 0 if it is reached.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1000"
    )]
    pub fn short_of(self, percent: u32) -> u64 {
        ((f64::from(percent) / 100.0 - self.0).clamp(0.0, 1.0) * 1_000.0) as u64
    }
}
