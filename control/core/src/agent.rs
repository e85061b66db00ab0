//! An agent at work.

use crate::centre::Agent as Declared;
use crate::event::Activity;
use crate::id::OfferId;
use crate::input::Status;
use crate::selection::Rank;
use core::time::Duration;

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
    /// Its entry among the free, while it is there.
    pub rank: Option<Rank>,
    /// Whether its queues count it as present.
    pub staffed: bool,
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
            rank: None,
            staffed: false,
            activity: Activity::Idle,
            activity_since_unix_ms: unix_ms,
        }
    }

    /// Logged in and reachable.
    pub fn present(&self) -> bool {
        self.in_declaration && self.reachable && self.status != Status::LoggedOut
    }

    /// Free for the next contact.
    pub fn available(&self) -> bool {
        self.in_declaration
            && self.reachable
            && self.status == Status::Ready
            && self.activity == Activity::Idle
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
