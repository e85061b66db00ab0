//! What one run found, and what several runs of the same thing have in common.

use std::fmt;

use serde::Serialize;

use super::{Contender, LoadName};
use crate::packets::BenchError;
use crate::packets::measure::Run;
use crate::packets::vocabulary::SystemKind;

/// Most packets lost of a run that counts as carried: 0.1 %.
pub const CARRIED_LOSS: f64 = 0.001;
/// A generator that leaves out more than this share of its packets is itself the limit. On a
/// machine that is busy with something else it leaves out a few at any rate: what it does send is
/// as dense as asked for, and the relay carries it or not.
pub const BEHIND: f64 = 0.15;

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Which relay.
    pub contender: Contender,
    /// Two-way calls.
    pub calls: usize,
    /// Packets a second, all calls together.
    pub packets_per_s: u64,
    /// What the load is called.
    pub load: LoadName,
    /// Which repetition it is, from 1.
    pub rep: usize,
    /// For how long to send, in seconds.
    pub seconds: f64,
}

/// A run: what was wanted and what was found.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Which relay, as it was asked for.
    pub contender: Contender,
    /// What the load is called.
    pub load: LoadName,
    /// Which repetition, from 1.
    pub rep: usize,
    /// What was found.
    pub run: Run,
}

/// How a run went, in one word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// At most 0.1 % were lost.
    Carried,
    /// More were lost: this share, 0 to 1.
    Lossy(f64),
    /// Carried, but the generator sent only so many packets a second.
    Behind(u64),
}

impl Figures {
    /// Puts together what was wanted and what was found.
    #[must_use]
    pub fn new(wanted: &Wanted, run: Run) -> Self {
        Self {
            contender: wanted.contender.clone(),
            load: wanted.load,
            rep: wanted.rep,
            run,
        }
    }

    /// How it went. Wrong packets count as lost.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let found = &self.run;
        let wrong = found.wrong.total() as f64 / found.sent.max(1) as f64;
        let loss = found.loss.max(wrong);
        if loss > CARRIED_LOSS {
            return Seen::Lossy(loss);
        }
        let wanted = found.sent + found.not_sent;
        if found.not_sent as f64 > wanted as f64 * BEHIND {
            let sent_per_s = found.sent as f64 / found.seconds.max(f64::MIN_POSITIVE);
            return Seen::Behind(sent_per_s as u64);
        }
        Seen::Carried
    }
}

/// The highest rate that a relay carried with at most 0.1 % loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Highest {
    /// Which relay, as it was asked for.
    #[serde(skip)]
    pub contender: Contender,
    /// The same for programs.
    pub system: SystemKind,
    /// Its engine.
    pub engine: String,
    /// Two-way calls.
    pub calls: usize,
    /// Packets a second that came out of it.
    pub packets_per_s: u64,
    /// Packets a second that were asked of the generator for that.
    pub offered_packets_per_s: u64,
    /// The generator could not send more: the relay may well carry more.
    pub generator_limited: bool,
    /// A second run carried it too.
    pub confirmed: bool,
    /// Runs that the search took.
    pub runs: usize,
}

/// A relay that has no room for so many calls, or for which the generator has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoRoom {
    /// Which relay, as it was asked for.
    #[serde(skip)]
    pub contender: Contender,
    /// The same for programs.
    pub system: SystemKind,
    /// Its engine.
    pub engine: String,
    /// Two-way calls that it was to have.
    pub calls: usize,
    /// In words, with what the limit is and how to raise it.
    pub why: String,
}

impl NoRoom {
    /// As an error says it, if it says that.
    pub(super) fn new(contender: &Contender, error: &BenchError) -> Option<Self> {
        let BenchError::NoRoom { calls, .. } = error else {
            return None;
        };
        Some(Self {
            contender: contender.clone(),
            system: contender.kind,
            engine: contender.engine.clone(),
            calls: *calls,
            why: error.to_string(),
        })
    }
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.contender, self.why)
    }
}

/// A relay that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which relay.
    pub system: SystemKind,
    /// Its engine.
    pub engine: String,
    /// Two-way calls.
    pub calls: usize,
    /// What was the matter.
    pub error: String,
}

impl Failure {
    pub(super) fn new(contender: &Contender, calls: usize, error: &BenchError) -> Self {
        Self {
            system: contender.kind,
            engine: contender.engine.clone(),
            calls,
            error: error.to_string(),
        }
    }
}
