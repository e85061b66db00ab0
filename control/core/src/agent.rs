//! An agent at work.

use crate::centre::Agent as Declared;
use crate::event::Activity;
use crate::id::OfferId;
use crate::input::Status;
use crate::selection::{Key, Load, Place, Work};
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
    /// Offers and calls that hold it. One offer at most; a late answer may add a call to it.
    pub legs: Vec<OfferId>,
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
            reachable: declared.uri.is_some(),
            in_declaration,
            declared,
            idle_since: now,
            legs: Vec::new(),
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

    /// Free for the next contact.
    pub fn available(&self) -> bool {
        let room = match self.declared.capacity {
            0 | 1 => self.activity == Activity::Idle,
            more => self.legs.len() < more && self.rest_until.is_none(),
        };
        self.ready() && room
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
