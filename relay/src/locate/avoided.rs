//! Look-ups under way, and places that have failed.

use super::Candidate;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most look-ups at once; a call that needs one more is refused, and a call that stands goes on with
/// the addresses that it has.
pub const MAX_LOOKUPS: usize = 256;
/// How long a place that failed comes after all others.
pub const AVOID_TIME: Duration = Duration::from_secs(60);
/// How long at most, whatever its Retry-After says.
pub const MAX_AVOID_TIME: Duration = Duration::from_secs(300);
/// Most places that are remembered to have failed; beyond it the one that is due first is forgotten.
pub const MAX_AVOIDED: usize = 1024;

/// What is known of places beyond DNS.
#[derive(Debug, Default)]
pub struct Places {
    asked: usize,
    avoided: FxHashMap<Candidate, Instant>,
}

impl Places {
    /// Takes a place among the look-ups; false if all are taken.
    pub fn ask(&mut self) -> bool {
        let room = self.asked < MAX_LOOKUPS;
        self.asked += usize::from(room);
        room
    }

    /// A look-up is over.
    pub fn answered(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// Look-ups under way.
    pub fn lookups(&self) -> usize {
        self.asked
    }

    /// Places that are remembered to have failed.
    pub fn avoided(&self) -> usize {
        self.avoided.len()
    }

    /// A place has failed: for `time`, or for [`AVOID_TIME`], others are tried first.
    pub fn avoid(&mut self, place: Candidate, time: Option<Duration>, now: Instant) {
        if self.avoided.len() >= MAX_AVOIDED {
            self.avoided.retain(|_, until| *until > now);
        }
        if self.avoided.len() >= MAX_AVOIDED {
            let first = self.avoided.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(place, _)| *place) {
                self.avoided.remove(&first);
            }
        }
        let time = time.unwrap_or(AVOID_TIME).min(MAX_AVOID_TIME);
        self.avoided.insert(place, now + time);
    }

    /// Whether a place has failed lately.
    pub fn avoids(&self, place: &Candidate, now: Instant) -> bool {
        self.avoided.get(place).is_some_and(|until| *until > now)
    }

    /// A place has answered.
    pub fn works(&mut self, place: &Candidate) {
        if !self.avoided.is_empty() {
            self.avoided.remove(place);
        }
    }

    /// The same places, those that have failed lately at the end.
    pub fn order(&self, places: Vec<Candidate>, now: Instant) -> VecDeque<Candidate> {
        let fails = |place: &Candidate| self.avoids(place, now);
        let (last, mut first): (VecDeque<_>, VecDeque<_>) = places.into_iter().partition(fails);
        first.extend(last);
        first
    }
}
