//! The contacts of a range of time, made from the events of all.

use patchbay_core::{ContactId, Event, What};
use patchbay_route::place::KEPT_FOR;
use rustc_hash::FxHashMap;

use super::call::{Call, Ending};
use crate::store::contact_of;

/// After a start nobody goes on waiting who has not done so within this time: their edges keep them for
/// [`KEPT_FOR`], and what control tells is written soon.
const KEPT_FOR_MS: u64 = KEPT_FOR.as_millis() as u64 + 5_000;

/// Contacts that may be under way at a time; further ones are left out and counted.
pub const MAX_OPEN: usize = 100_000;

/// From when to when, in milliseconds of Unix time; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub from: u64,
    /// The first moment after it.
    pub to: u64,
}

impl Range {
    /// Whether a moment is in it.
    #[must_use]
    pub fn has(&self, unix_ms: u64) -> bool {
        (self.from..self.to).contains(&unix_ms)
    }
}

/// Contacts that arrived in a range. Events are given in their order, from the range's beginning on, and
/// beyond its end for as long as contacts are open.
#[derive(Debug)]
pub struct Calls {
    range: Range,
    open: FxHashMap<ContactId, Call>,
    left_out: u64,
    /// When the process was started again, while callers who waited may still go on waiting.
    restarted: Option<u64>,
}

impl Calls {
    /// None yet.
    #[must_use]
    pub fn new(range: Range) -> Calls {
        Calls {
            range,
            open: FxHashMap::default(),
            left_out: 0,
            restarted: None,
        }
    }

    /// The contact, if it is under way.
    #[must_use]
    pub fn get(&self, contact: ContactId) -> Option<&Call> {
        self.open.get(&contact)
    }

    /// How many are under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Contacts that were not followed because too many were under way.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes one event, and gives those that are over with it.
    pub fn take(&mut self, event: &Event) -> Vec<Call> {
        if event.what == What::ControlStarted {
            return self.restarted(event.unix_ms);
        }
        let mut over = self.did_not_wait_on(event.unix_ms);
        over.extend(self.take_one(event));
        over
    }

    fn take_one(&mut self, event: &Event) -> Option<Call> {
        let contact = contact_of(event)?;
        if begins(&event.what) && self.range.has(event.unix_ms) && !self.open.contains_key(&contact)
        {
            if self.open.len() >= MAX_OPEN {
                self.left_out += 1;
                return None;
            }
            let call = Call::new(contact, event.unix_ms);
            self.open.insert(contact, call);
        }
        let call = self.open.get_mut(&contact)?;
        call.take(event);
        match call.end.is_some() {
            true => self.open.remove(&contact),
            false => None,
        }
    }

    /// Those that were there when the process ended and did not go on, once all events have been taken.
    pub fn finish(&mut self, now: u64) -> Vec<Call> {
        let mut lost = self.did_not_wait_on(now);
        lost.extend(self.lose(now, |call| call.orphaned));
        lost
    }

    /// All that are under way, as they stand, by their arrival.
    pub fn drain(&mut self) -> Vec<Call> {
        let mut calls: Vec<Call> = self.open.drain().map(|(_, call)| call).collect();
        calls.sort_unstable_by_key(|call| (call.arrived_unix_ms, call.id));
        calls
    }

    /// Who was in a call, or waited, may go on with the next process.
    fn restarted(&mut self, now: u64) -> Vec<Call> {
        let mut lost = self.did_not_wait_on(u64::MAX);
        lost.extend(self.lose(now, |call| call.orphaned));
        for call in self.open.values_mut() {
            call.orphaned = true;
        }
        self.restarted = Some(now);
        lost
    }

    /// Callers who waited when the process ended, and whom nobody kept until now.
    pub fn did_not_wait_on(&mut self, now: u64) -> Vec<Call> {
        let over = |at: &u64| now.saturating_sub(*at) > KEPT_FOR_MS;
        let Some(at) = self.restarted.filter(over) else {
            return Vec::new();
        };
        self.restarted = None;
        // A promise outlives the process.
        let waited = |call: &Call| call.answered_unix_ms.is_none() && call.promised.is_none();
        self.lose(at, |call| call.orphaned && waited(call))
    }

    fn lose(&mut self, now: u64, which: impl Fn(&Call) -> bool) -> Vec<Call> {
        let lost = self.open.extract_if(|_, call| which(call));
        let mut lost: Vec<Call> = lost.map(|(_, call)| call).collect();
        lost.sort_unstable_by_key(|call| (call.arrived_unix_ms, call.id));
        for call in &mut lost {
            call.ends(now, Ending::Lost);
        }
        lost
    }
}

/// Whether a contact's first event may be this one.
fn begins(what: &What) -> bool {
    matches!(
        what,
        What::ContactTyped { .. } | What::ContactRefused { queue: None, .. }
    )
}
