//! Callers and phones for thousands of calls a second on one thread.
//!
//! The phones of [`crate::phones`] do all that a phone does, and at some hundred calls a second they
//! are what is measured. These do one scenario only, INVITE with SDP, 180, 200, ACK, a talk, BYE and
//! 200 over UDP, with the retransmissions of RFC 3261 section 17 and a check of every message: each
//! response is matched to its call and transaction, each call's other end must be closed too, and
//! where media are to be relayed no side may be told the other's own port.

mod answering;
mod calling;
mod script;
mod sockets;
mod timers;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

pub use script::run;
pub use sockets::Sockets;

/// First time that is waited before something is sent again (RFC 3261 section 17.1.1.1).
pub(crate) const T1: Duration = Duration::from_millis(500);
/// Longest such time (RFC 3261 section 17.1.2.1).
const T2: Duration = Duration::from_secs(4);
/// So often something is sent in all; without an answer then, after 11.5 s, its call has failed.
const TRIES: u32 = 5;

/// What to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the callers send, in turn.
    pub targets: Vec<SocketAddr>,
    /// The URIs that they call, in turn.
    pub uris: Vec<String>,
    /// The system puts itself between the media, so that no side may see the other's port.
    pub relayed: bool,
    /// Calls placed a second, evenly spaced.
    pub calls_per_s: f64,
    /// How many, and for how long.
    pub extent: Extent,
    /// Sets this run's calls apart from every other run's.
    pub run: u32,
}

/// How many calls, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Calls come and go; those of the window count.
    Window {
        /// Before the window; longer than the talk, so that as many calls end as begin.
        warm_up: Duration,
        /// In which calls count.
        window: Duration,
        /// How long an answered call talks.
        hold: Duration,
    },
    /// So many calls are set up, stand together, and are hung up at the same rate.
    Standing(usize),
}

/// Whoever measures the system meanwhile, on the dialler's thread.
pub trait Watcher {
    /// Something has come to pass.
    fn at(&mut self, mark: Mark);
    /// How far it is, some times a second.
    fn progress(&mut self, progress: Progress);
    /// Whether to end at once.
    fn stops(&self) -> bool;
}

/// What has come to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The window begins.
    Begins,
    /// The window ends.
    Ends,
    /// All calls stand.
    Standing,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls placed.
    pub placed: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls over, whichever way.
    pub over: u64,
    /// Calls failed.
    pub failed: u64,
}

/// What became of the calls.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Counts of all calls.
    pub progress: Progress,
    /// Failed calls by reason.
    pub failures: BTreeMap<String, u64>,
    /// Calls placed in the window.
    pub timed: u64,
    /// The window as it was.
    pub window: Duration,
    /// INVITE to 200 at the caller, of the window's calls, in nanoseconds.
    pub setup: Histogram<u64>,
    /// What was sent again or came again.
    pub again: Again,
    /// Most calls that were placed and not over at one time.
    pub peak: u64,
    /// CPU time of the dialler's thread in the window.
    pub own_cpu: Duration,
    /// Latest that a call was placed after its time.
    pub latest: Duration,
    /// Messages that belong to no call of this run, and datagrams that are none.
    pub foreign: u64,
    /// Datagrams that the kernel did not take.
    pub unsent: u64,
}

/// Messages that there should have been once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Again {
    /// INVITEs that callers sent again.
    pub invites: u64,
    /// BYEs that callers sent again.
    pub byes: u64,
    /// 200s that phones sent again for want of an ACK.
    pub answers: u64,
    /// Requests and 200s that came a second time.
    pub received: u64,
}

impl Again {
    /// All of them.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.invites + self.byes + self.answers + self.received
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            progress: Progress::default(),
            failures: BTreeMap::new(),
            timed: 0,
            window: Duration::ZERO,
            setup: crate::phones::nanoseconds(),
            again: Again::default(),
            peak: 0,
            own_cpu: Duration::ZERO,
            latest: Duration::ZERO,
            foreign: 0,
            unsent: 0,
        }
    }

    fn fail(&mut self, reason: impl Into<String>) {
        self.progress.failed += 1;
        *self.failures.entry(reason.into()).or_default() += 1;
    }

    /// Calls placed a second in the window.
    #[must_use]
    pub fn calls_per_s(&self) -> f64 {
        self.timed as f64 / self.window.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Share of its core that the dialler used in the window, 0 to 1.
    #[must_use]
    pub fn own_load(&self) -> f64 {
        self.own_cpu.as_secs_f64() / self.window.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
