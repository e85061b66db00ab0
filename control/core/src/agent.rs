//! An agent at work.

use crate::centre::Agent as Declared;
use crate::event::Activity;
use crate::id::OfferId;
use crate::input::Status;
use crate::selection::{Key, Load, Place, Work};
use crate::slot::{PerSlot, Slot, Slots};
use core::time::Duration;
use std::collections::BTreeSet;

/// An agent at work.
#[derive(Debug)]
pub(crate) struct Agent {
    pub declared: Declared,
    /// False once it is out of the declaration and only its legs keep it.
    pub in_declaration: bool,
    pub status: Status,
    pub reachable: bool,
    /// Since when it has had nothing to do; what the longest idle is measured by.
    pub idle_since: Duration,
    /// Offers and calls that hold it.
    pub legs: Vec<OfferId>,
    /// How many of them are in which medium.
    pub held: PerSlot,
    /// How many it takes at a time.
    pub capacities: PerSlot,
    /// In which media it is among the free of its classes.
    pub free: Slots,
    /// How many legs it had when its keys were computed.
    pub ranked_with: usize,
    /// On both clocks.
    pub wrap_up_until: Option<(Duration, u64)>,
    /// On both clocks.
    pub rest_until: Option<(Duration, u64)>,
    /// Offers in a row that it let ring out.
    pub missed: u32,
    /// Indices of the classes that it can serve.
    pub classes: Vec<usize>,
    /// Indices of the queues that it serves.
    pub queues: Vec<usize>,
    /// Its place in the declaration.
    pub order: usize,
    /// Its keys among the free of its classes, in their order, while it is free.
    pub keys: Option<Vec<Key>>,
    /// How many offers had been made, of all, when it got its last one; 0 if it never got any.
    pub last_offer: u64,
    pub load: Load,
    /// Contacts that wait for it alone, because it served their callers before.
    pub wanted: BTreeSet<Place>,
    /// Whether its queues count it as present.
    pub staffed: bool,
    /// Whether its classes count it as ready.
    pub counted: bool,
    pub activity: Activity,
    pub activity_since_unix_ms: u64,
}

impl Agent {
    /// One that was just declared, or that a session on the relay names.
    pub fn new(declared: Declared, in_declaration: bool, now: Duration, unix_ms: u64) -> Self {
        Self {
            status: initial_status(declared.paused),
            reachable: is_fixed(&declared),
            in_declaration,
            capacities: PerSlot::of(|slot| declared.capacity_for(slot)),
            declared,
            idle_since: now,
            legs: Vec::new(),
            held: PerSlot::default(),
            free: Slots::default(),
            ranked_with: 0,
            wrap_up_until: None,
            rest_until: None,
            missed: 0,
            classes: Vec::new(),
            queues: Vec::new(),
            order: usize::MAX,
            keys: None,
            last_offer: 0,
            load: Load::default(),
            wanted: BTreeSet::new(),
            staffed: false,
            counted: false,
            activity: Activity::Idle,
            activity_since_unix_ms: unix_ms,
        }
    }

    /// Logged in and reachable.
    pub fn present(&self) -> bool {
        self.in_declaration && self.reachable && self.status != Status::LoggedOut
    }

    /// At work and ready for it, busy or not.
    pub fn ready(&self) -> bool {
        self.in_declaration && self.reachable && self.status == Status::Ready
    }

    /// The media in which it is free for the next contact.
    pub fn free_for(&self) -> Slots {
        let left_alone = self.rest_until.is_some() || self.wrap_up_until.is_some();
        if !self.ready() || left_alone {
            return Slots::default();
        }
        let busy = Slot::ALL.into_iter().filter(|one| self.held.get(*one) > 0);
        let busy: Slots = busy.collect();
        let slots = Slot::ALL.into_iter();
        let room = slots.filter(|one| self.held.get(*one) < self.capacities.get(*one));
        let free = room.filter(|one| busy.iter().all(|of| !self.declared.keeps_away(of, *one)));
        free.collect()
    }

    /// Free for the next contact in a medium.
    pub fn available(&self, slot: Slot) -> bool {
        self.free_for().contains(slot)
    }

    /// Takes a leg, or lets it go.
    pub fn hold(&mut self, offer: OfferId, slot: Slot, holds: bool) {
        let held = self.held.get(slot);
        match holds {
            true => self.legs.push(offer),
            false => self.legs.retain(|held| *held != offer),
        }
        let held = if holds {
            held + 1
        } else {
            held.saturating_sub(1)
        };
        self.held.set(slot, held);
    }

    /// What counts for its occupancy.
    pub fn work(&self) -> Work {
        match self.activity {
            Activity::Reserved { .. } | Activity::InCall { .. } | Activity::WrapUp { .. } => {
                Work::Busy
            }
            Activity::Idle | Activity::Resting { .. } if self.ready() => Work::Idle,
            Activity::Idle | Activity::Resting { .. } => Work::Away,
        }
    }
}

/// Whether it is reached without registering.
pub(crate) fn is_fixed(declared: &Declared) -> bool {
    declared.uri.is_some() || declared.webhook.is_some()
}

/// The status that a declaration asks for.
pub(crate) fn initial_status(paused: bool) -> Status {
    if paused {
        Status::Paused {
            reason: "declared".into(),
        }
    } else {
        Status::Ready
    }
}
