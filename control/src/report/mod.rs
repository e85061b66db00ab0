//! Reports: how contacts and agents fared over a range of time, computed from the events alone and
//! without I/O, so that figures and events cannot disagree.
//!
//! A contact is counted where it *arrived*: all of it, its talk and the work after it too, belongs to the
//! step of time that its first event is in, whenever it was answered or ended. So each contact is
//! counted once, and reports of ranges that follow each other add up to the report of the whole. One that
//! overflows into another queue is offered to both, and has moved from the first.
//! The time of agents is counted where it *passed*.
//!
//! | figure | definition |
//! |---|---|
//! | offered | contacts that came to a queue: answered + abandoned + refused + redirected + moved + lost + waiting |
//! | service level | answered within the threshold / offered |
//! | without short abandons | answered within it / (offered − abandoned within it) |
//! | with short abandons | (answered + abandoned within it) / offered |
//! | handling | talk + wrap-up of the contacts that ended, for each of them |
//! | occupancy | (in calls + wrap-up) / (that + time ready and reachable without either) |

mod agents;
mod fold;
mod rows;
mod sums;

pub use fold::{Fold, MAX_ROWS, Terms, TooManyRows};
pub use rows::{head, row};
pub use sums::{Spread, Sums};

use patchbay_core::{AgentId, QueueId};

/// What a report has rows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Queues.
    Queue,
    /// Agents.
    Agent,
    /// Steps of time, all queues and agents together.
    Time,
}

/// Whom a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All queues and agents.
    All,
    /// A queue.
    Queue(QueueId),
    /// An agent.
    Agent(AgentId),
}

/// A row's place: when its step of time begins, in milliseconds of Unix time, and whom it is about.
pub type Key = (u64, Subject);
