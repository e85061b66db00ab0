//! Which messages are shown.

use super::calls::{CallKey, Calls};
use super::head::Head;
use super::recent::{Placed, Recent};
use super::{Seen, Shown};
use crate::session::Joint;
use patchbay_route::trace::{TraceFilter, Way};

/// Calls that one trace tells apart; with more it ends.
pub const MAX_TRACED_CALLS: usize = 16_384;
/// Messages of calls that may turn out to be wanted, as `--to anna` is known only once anna is called.
pub const MAX_RECENT_MESSAGES: usize = 2_048;
/// Their bytes.
pub const MAX_RECENT_BYTES: usize = 4 * 1024 * 1024;

/// What can be true of a call.
mod bit {
    pub const CALL_ID: u8 = 1;
    pub const FROM: u8 = 2;
    pub const TO: u8 = 4;
    pub const SOURCE: u8 = 8;
    pub const CONTACT: u8 = 16;
    pub const LAST: u8 = 32;
}

/// More calls than [`MAX_TRACED_CALLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more calls than one trace tells apart")]
pub struct TooManyCalls;

/// Chooses messages by the calls that they belong to.
#[derive(Debug)]
pub struct Select {
    filter: TraceFilter,
    needed: u8,
    calls: Calls,
    recent: Recent,
    /// The call that began last was found.
    last_found: bool,
    /// A call was chosen of which there may be messages already.
    newly_chosen: bool,
}

impl Select {
    /// Those that `filter` wants.
    #[must_use]
    pub fn new(filter: TraceFilter) -> Select {
        let needed = [
            (filter.call_id.is_some(), bit::CALL_ID),
            (filter.from.is_some(), bit::FROM),
            (filter.to.is_some(), bit::TO),
            (filter.source.is_some(), bit::SOURCE),
            (filter.contact.is_some(), bit::CONTACT),
            (filter.last, bit::LAST),
        ];
        let needed = needed.iter().filter(|(wanted, _)| *wanted);
        Select {
            needed: needed.fold(0, |all, (_, bit)| all | bit),
            filter,
            calls: Calls::default(),
            recent: Recent::default(),
            last_found: false,
            newly_chosen: false,
        }
    }

    /// Of what is kept, the messages to show. The whole of it is known, so a call is shown from its
    /// first message on, whichever of them tells that it is wanted.
    pub fn kept(&mut self, kept: Vec<Seen>, joints: &[Joint]) -> Vec<Shown> {
        let mut last = None;
        let mut all = Vec::with_capacity(kept.len());
        for seen in kept {
            let head = Head::read(&seen.bytes);
            let placed = self.place(seen, head.as_ref());
            if is_new_call(&placed.seen, head.as_ref()) {
                last = Some(placed.call);
            }
            all.push(placed);
        }
        // After the messages: the first Call-ID of a call is the one that was seen first.
        for joint in joints {
            self.join(joint);
        }
        if self.filter.last {
            self.choose_last(&all, last);
        }
        let mut shown = Vec::new();
        for placed in all {
            match self.is_chosen(placed.call) {
                true => shown.extend(self.shown(placed)),
                false => self.recent.push(placed),
            }
        }
        self.newly_chosen = false;
        shown
    }

    /// A message came: what is to be shown now.
    ///
    /// # Errors
    /// [`TooManyCalls`].
    pub fn message(&mut self, seen: Seen) -> Result<Vec<Shown>, TooManyCalls> {
        let head = Head::read(&seen.bytes);
        if self.calls.len() >= MAX_TRACED_CALLS {
            self.calls.forget(self.recent.calls());
            if self.calls.len() > MAX_TRACED_CALLS / 2 {
                return Err(TooManyCalls);
            }
        }
        let placed = self.place(seen, head.as_ref());
        if self.filter.last && !self.last_found && is_new_call(&placed.seen, head.as_ref()) {
            self.last_found = self.meet(placed.call, bit::LAST);
        }
        Ok(match self.is_chosen(placed.call) {
            true => {
                let mut shown = self.late();
                shown.extend(self.shown(placed));
                shown
            }
            false => {
                self.recent.push(placed);
                Vec::new()
            }
        })
    }

    /// Call-IDs turned out to be one call: what is to be shown now of what came before.
    pub fn joined(&mut self, joint: &Joint) -> Vec<Shown> {
        self.join(joint);
        self.late()
    }

    fn join(&mut self, joint: &Joint) {
        let key = self.calls.join(joint);
        let filter = &self.filter;
        let contact = filter.contact.as_deref();
        let named = |wanted: &str| wanted == joint.contact || wanted == joint.session.to_string();
        let mut met = 0;
        if contact.is_some_and(named) {
            met |= bit::CONTACT;
        }
        if filter.to.as_deref() == Some(joint.agent.as_str()) {
            met |= bit::TO;
        }
        // A chosen call may have become one with another.
        self.newly_chosen |= self.meet(key, met) && self.needed != 0;
    }

    /// Finds out whose a message is and what is true of it.
    fn place(&mut self, seen: Seen, head: Option<&Head>) -> Placed {
        let (call_id, method) = head.map_or_else(Default::default, |head| {
            (head.call_id.clone(), head.method.clone())
        });
        let call = self.calls.of(&call_id);
        let met = self.met(&seen, head);
        self.meet(call, met);
        Placed {
            seen,
            call,
            call_id,
            method,
        }
    }

    fn met(&self, seen: &Seen, head: Option<&Head>) -> u8 {
        let filter = &self.filter;
        let mut met = 0;
        if filter.source == Some(seen.flow.remote.ip().to_canonical()) && !seen.is_control() {
            met |= bit::SOURCE;
        }
        let Some(head) = head else { return met };
        let wants =
            |wanted: &Option<String>, so: &dyn Fn(&str) -> bool| wanted.as_deref().is_some_and(so);
        for (wanted, so, bit) in [
            (
                &filter.call_id,
                &|id: &str| head.call_id == id,
                bit::CALL_ID,
            ),
            (&filter.from, &|user: &str| head.from.is(user), bit::FROM),
            (&filter.to, &|user: &str| head.to.is(user), bit::TO),
        ] as [(_, &dyn Fn(&str) -> bool, u8); 3]
        {
            if wants(wanted, so) {
                met |= bit;
            }
        }
        met
    }

    /// Notes what is true of a call; whether it is chosen.
    fn meet(&mut self, key: CallKey, met: u8) -> bool {
        let needed = self.needed;
        let Some(call) = self.calls.get_mut(key) else {
            return false;
        };
        call.met |= met;
        if !call.chosen && call.met & needed == needed {
            call.chosen = true;
            self.newly_chosen = needed != 0;
        }
        call.chosen
    }

    /// The newest call of those of which all else is true.
    fn choose_last(&mut self, all: &[Placed], began: Option<CallKey>) {
        let others = self.needed & !bit::LAST;
        let fits = |key: CallKey| {
            let call = self.calls.get(key);
            call.is_some_and(|call| call.met & others == others && !call.name.is_empty())
        };
        let newest = || all.iter().rev().map(|placed| placed.call);
        let found = match others {
            0 => began.or_else(|| newest().find(|key| fits(*key))),
            _ => newest().find(|key| fits(*key)),
        };
        if let Some(key) = found {
            self.last_found = self.meet(key, bit::LAST);
        }
    }

    fn is_chosen(&self, key: CallKey) -> bool {
        self.needed == 0 || self.calls.get(key).is_some_and(|call| call.chosen)
    }

    /// Messages that came before it was known that their call is wanted.
    fn late(&mut self) -> Vec<Shown> {
        if !std::mem::take(&mut self.newly_chosen) {
            return Vec::new();
        }
        let calls = &self.calls;
        let chosen = |key| calls.get(key).is_some_and(|call| call.chosen);
        let taken = self.recent.take(chosen);
        taken
            .into_iter()
            .filter_map(|placed| self.shown(placed))
            .collect()
    }

    fn shown(&self, placed: Placed) -> Option<Shown> {
        let wanted = self.filter.method.as_deref();
        if wanted.is_some_and(|method| !placed.method.eq_ignore_ascii_case(method)) {
            return None;
        }
        let call = self.calls.get(placed.call)?;
        let (session, agent) = self.calls.side(&placed.call_id);
        Some(Shown {
            seen: placed.seen,
            call: call.name.clone(),
            contact: call.contact.clone(),
            session,
            agent,
        })
    }
}

/// Whether a call begins with this message: control's INVITEs belong to calls that have begun.
fn is_new_call(seen: &Seen, head: Option<&Head>) -> bool {
    head.is_some_and(|head| head.begins) && seen.way == Way::In && !seen.is_control()
}
