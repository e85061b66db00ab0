//! What another centre is asked, and why it gives no agent (requirement D12).

use crate::id::QueueId;
use crate::slot::Slot;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What another centre is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteAsk {
    /// The queue, by its name there.
    pub queue: QueueId,
    /// In which medium the contact is served.
    pub medium: Slot,
    /// The caller's URI.
    pub from: String,
    /// The URI called.
    pub to: String,
    /// Skills that the agent must have, with their lowest level.
    pub skills: BTreeMap<String, u8>,
    /// The higher is served first.
    pub priority: i32,
    /// How long the contact has waited, for its place there.
    pub waited: Duration,
}

/// Why another centre gives no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteFailure {
    /// It could not be reached, or did not prove who it is.
    Unreachable,
    /// It does not take the token, or not for this queue.
    Forbidden,
    /// It has taken the contact and refused it, such as for want of agents.
    Refused,
    /// Its answer was no answer to what was asked.
    Malformed,
    /// Too many requests were under way here.
    TooMany,
    /// The call to its agent did not arrive.
    CallFailed,
}

impl SiteFailure {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unreachable,
        Self::Forbidden,
        Self::Refused,
        Self::Malformed,
        Self::TooMany,
        Self::CallFailed,
    ];

    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::TooMany => "too_many",
            Self::CallFailed => "call_failed",
        }
    }

    /// One sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "it could not be reached",
            Self::Forbidden => "it does not take our token for that queue",
            Self::Refused => "it took the contact and refused it",
            Self::Malformed => "its answer could not be read",
            Self::TooMany => "too many requests were under way",
            Self::CallFailed => "the call to its agent did not arrive",
        }
    }
}

impl fmt::Display for SiteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
