//! Messages of calls of which it is not known yet whether they are wanted.

use super::Seen;
use super::calls::CallKey;
use super::select::{MAX_RECENT_BYTES, MAX_RECENT_MESSAGES};
use std::collections::VecDeque;

/// A message and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub seen: Seen,
    pub call: CallKey,
    pub call_id: String,
    pub method: String,
}

/// The last of them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: VecDeque<Placed>,
    bytes: usize,
}

impl Recent {
    pub fn push(&mut self, placed: Placed) {
        self.bytes += placed.seen.bytes.len();
        self.kept.push_back(placed);
        while self.kept.len() > MAX_RECENT_MESSAGES || self.bytes > MAX_RECENT_BYTES {
            match self.kept.pop_front() {
                Some(oldest) => self.bytes -= oldest.seen.bytes.len(),
                None => return,
            }
        }
    }

    /// Takes out those that are wanted, in order.
    pub fn take(&mut self, wanted: impl Fn(CallKey) -> bool) -> Vec<Placed> {
        let all = std::mem::take(&mut self.kept);
        let (taken, kept): (Vec<Placed>, Vec<Placed>) =
            all.into_iter().partition(|placed| wanted(placed.call));
        self.bytes = kept.iter().map(|placed| placed.seen.bytes.len()).sum();
        self.kept = kept.into();
        taken
    }

    pub fn calls(&self) -> impl Iterator<Item = CallKey> {
        self.kept.iter().map(|placed| placed.call)
    }
}
