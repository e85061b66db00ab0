//! What is known of a customer who is to be called (requirement E5).

use crate::centre::Relax;
use crate::explain::Typed;
use crate::id::ContactId;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A contact whose customer is to be called.
#[derive(Debug)]
pub(crate) struct CallBack {
    /// Whom to call.
    pub to: String,
    /// Not before this time, on both clocks.
    pub due: Duration,
    pub due_unix_ms: u64,
    /// From when on its waiting counts: one who waited on the line has waited before.
    pub waits_from: Duration,
    /// Calls to the customer so far.
    pub tries: u32,
    /// Its caller is on the line until the promise is safe.
    pub on_the_line: bool,
}

/// A promise, as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promised {
    /// The contact.
    pub contact: ContactId,
    /// Whom to call.
    pub to: String,
    /// Not before this time, in milliseconds of Unix time.
    pub due_unix_ms: u64,
    /// Calls to the customer so far.
    pub tries: u32,
    /// From when on its waiting counts, in milliseconds of Unix time.
    pub waits_from_unix_ms: u64,
    /// When the contact arrived, in milliseconds of Unix time: its place in the queue.
    pub arrived_unix_ms: u64,
    /// What it was typed as.
    pub typed: Typed,
    /// The steps in which it asks for less.
    #[serde(default)]
    pub relax: Vec<Relax>,
    /// Who asked for it.
    pub from: String,
    /// The URI called, if it was a call before.
    pub called: String,
    /// The usable media.
    pub media: Vec<String>,
}
