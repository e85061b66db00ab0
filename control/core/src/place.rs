//! The place of a caller who waits, as whoever holds its call keeps it for the next control process.

use crate::centre::Relax;
use crate::explain::Typed;
use crate::id::{ContactId, QueueId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A place in a queue. What else is known of the contact comes with its INVITE again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPlace {
    /// The contact.
    pub contact: ContactId,
    /// When it arrived, in milliseconds of Unix time: its place in the queue.
    pub arrived_unix_ms: u64,
    /// Since when it is in this queue, in milliseconds of Unix time: its longest wait and its overflow
    /// count from then on.
    pub entered_unix_ms: u64,
    /// What it was typed as, and the queue that it waits in.
    pub typed: Typed,
    /// The steps in which it asks for less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relax: Vec<Relax>,
    /// The queues that it was in before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<QueueId>,
}

impl KeptPlace {
    /// What it asks for, now and later.
    pub(crate) fn skills(&self) -> impl Iterator<Item = &BTreeMap<String, u8>> {
        let later = self.relax.iter().map(|step| &step.skills);
        core::iter::once(&self.typed.skills).chain(later)
    }
}
