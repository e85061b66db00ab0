//! What agents do, as events and views tell it.

use crate::id::{ContactId, OfferId};
use serde::{Deserialize, Serialize};

/// What an agent is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "activity", rename_all = "snake_case")]
pub enum Activity {
    /// Nothing.
    Idle,
    /// Its phone is being called, or the call to it is being taken back.
    Reserved {
        /// The offer.
        offer: OfferId,
        /// The contact.
        contact: ContactId,
    },
    /// In a call.
    InCall {
        /// The offer.
        offer: OfferId,
        /// The contact.
        contact: ContactId,
    },
    /// Finishing the work of the last call.
    WrapUp {
        /// Until when, in milliseconds of Unix time.
        until_unix_ms: u64,
    },
    /// Left alone for a moment after an offer that failed.
    Resting {
        /// Until when, in milliseconds of Unix time.
        until_unix_ms: u64,
    },
}
