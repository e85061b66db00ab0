//! Which runs are made, in which order, and what follows from them.
//!
//! Nothing here knows sockets or processes: a [`Runner`] makes one run, a [`Watcher`] is told how
//! far the plan is. So the plans are tested with a relay that is a formula.

mod against;
mod estimate;
mod figures;
mod fixed;
mod hunt;
mod search;
mod statistics;
mod summary;
mod sweep;
#[cfg(test)]
mod tests;
mod traffic;
mod work;

use std::fmt;

use serde::{Serialize, Serializer};

use super::measure::Run;
use super::vocabulary::SystemKind;
use super::{BenchError, MAX_CALLS, Progress};

pub use estimate::Estimate;
pub use figures::{CARRIED_LOSS, Failure, Figures, Highest, NoRoom, Seen, Wanted};
pub use statistics::{Spread, median};
pub use summary::{Growth, Ratio, Row, growths, ratios, rows};
pub use traffic::{MAX_BURST, MAX_CHURN, OnBed, Traffic};
use work::{Round, Work};

/// Engines of ours, the usual one first.
pub const ENGINES: [&str; 3] = ["uring", "steered", "xdp"];
/// Packets a second of the load `low`.
pub const LOW_PACKETS_PER_S: u64 = 2000;
/// The share of the highest rate that the loads `70%` and `equal` have, in percent.
pub const USUAL_SHARE: u8 = 70;
/// Seconds that each run of a search lasts.
pub const SEARCH_SECONDS: f64 = 2.0;
/// Share of what the wire carries from which on a relay is at the limit of the bed.
const NEAR_THE_BED: f64 = 0.9;
/// Shortest run, in seconds.
pub const MIN_SECONDS: f64 = 0.1;
/// Longest run, in seconds.
pub const MAX_SECONDS: f64 = 3600.0;
/// Most repetitions.
pub const MAX_REPS: usize = 1000;
/// Numbers of calls of a sweep.
pub const SWEEP_CALLS: [usize; 6] = [100, 500, 2000, 5000, 10_000, 20_000];

/// A relay that takes part, and which of its engines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contender {
    /// Which relay.
    pub kind: SystemKind,
    /// Which engine, where there is a choice; otherwise empty.
    pub engine: String,
}

impl Contender {
    /// One of them.
    #[must_use]
    pub fn new(kind: SystemKind, engine: &str) -> Self {
        Self {
            kind,
            engine: engine.to_owned(),
        }
    }

    /// Whether it is one of ours.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.kind == SystemKind::Patchbay
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(system_name(self.kind))?;
        if self.is_ours() && !self.engine.is_empty() {
            write!(f, " {}", self.engine)?;
        }
        Ok(())
    }
}

/// The name of a relay, as the command line and reports write it.
#[must_use]
pub const fn system_name(kind: SystemKind) -> &'static str {
    match kind {
        SystemKind::Patchbay => "patchbay",
        SystemKind::Rtpengine => "rtpengine",
        SystemKind::Bare => "bare",
        SystemKind::Wire => "wire",
    }
}

/// What a load is called. They are ordered from light to heavy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoadName {
    /// 2,000 packets a second.
    Low,
    /// What the calls send by themselves.
    Natural,
    /// Packets a second.
    Fixed(u64),
    /// 70 % of the lowest of the contenders' highest rates, the same for all.
    Equal,
    /// Percent of each one's own highest rate.
    Share(u8),
    /// Each one's own highest rate with at most 0.1 % loss.
    High,
}

impl fmt::Display for LoadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Low => f.write_str("low"),
            Self::Natural => f.write_str("natural"),
            Self::Fixed(rate) => write!(f, "fixed:{rate}"),
            Self::Equal => f.write_str("equal"),
            Self::Share(percent) => write!(f, "{percent}%"),
            Self::High => f.write_str("high"),
        }
    }
}

impl Serialize for LoadName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What kind of plan it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At one rate; `None`: what the calls send by themselves.
    Fixed(Option<u64>),
    /// The highest rate.
    Search,
    /// Over numbers of calls at one rate; `None`: this percentage of what the slowest contender
    /// carries with the most calls.
    Sweep(Option<u64>, u8),
    /// Side by side at these loads.
    Against(Vec<LoadName>),
}

/// A plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What kind.
    pub mode: Mode,
    /// Who takes part. Ours come first.
    pub contenders: Vec<Contender>,
    /// Numbers of two-way calls.
    pub calls: Vec<usize>,
    /// What the calls send.
    pub traffic: Traffic,
    /// Seconds that each run lasts; those of a search are no longer than [`SEARCH_SECONDS`].
    pub seconds: f64,
    /// Repetitions of each run, those of a search excepted.
    pub reps: usize,
}

/// Makes runs.
pub trait Runner {
    /// Makes one, with a relay that was started for it.
    ///
    /// # Errors
    /// [`BenchError`] says why there is nothing to report. Loss and wrong packets are no errors.
    fn run(
        &mut self,
        wanted: &Wanted,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Run, BenchError>;
}

/// Is told how far a plan is.
pub trait Watcher {
    /// A run begins, and this is what is left with it.
    fn begins(&mut self, wanted: &Wanted, left: Estimate);

    /// How far that run is.
    fn far(&mut self, progress: Progress);

    /// A run of a search is over.
    fn tried(&mut self, figures: &Figures);

    /// A run that counts is over.
    fn over(&mut self, figures: &Figures);

    /// A search is over.
    fn found(&mut self, highest: &Highest);

    /// Something that whoever waits should know.
    fn says(&mut self, text: &str);
}

/// What a plan brought.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Each run that counts, in the order in which they were made.
    pub repetitions: Vec<Figures>,
    /// What searches found.
    pub highest: Vec<Highest>,
    /// Who has no room for how many calls.
    pub no_room: Vec<NoRoom>,
    /// What could not be measured.
    pub failures: Vec<Failure>,
    /// Packets that came out wrong, in all runs, those of searches included.
    pub wrong: u64,
}

impl Outcome {
    /// The last highest rate that was found of a contender.
    fn near(&self, contender: &Contender) -> Option<u64> {
        let mut found = self.highest.iter().rev();
        let found = found.find(|highest| highest.contender == *contender);
        found.map(|highest| highest.offered_packets_per_s)
    }

    /// The highest rate of a contender with so many calls.
    fn highest_of(&self, contender: &Contender, calls: usize) -> Option<u64> {
        let mut found = self.highest.iter();
        let found = found.find(|highest| highest.contender == *contender && highest.calls == calls);
        found.map(|highest| highest.offered_packets_per_s)
    }

    /// What the wire carries with so many calls, if a contender carries nearly as much: the bed's limit
    /// then, rather than its own.
    #[must_use]
    pub fn bed_limit(highest: &[Highest], of: &Highest) -> Option<u64> {
        let wire = |one: &&Highest| one.system == SystemKind::Wire && one.calls == of.calls;
        let wire = highest.iter().find(wire)?.packets_per_s;
        let near = of.packets_per_s as f64 >= wire as f64 * NEAR_THE_BED;
        (of.system != SystemKind::Wire && near).then_some(wire)
    }

    /// Whether a contender is known to have no room for so many calls.
    fn lacks_room(&self, contender: &Contender, calls: usize) -> bool {
        let mut known = self.no_room.iter();
        known.any(|known| known.contender == *contender && known.calls == calls)
    }
}

impl Plan {
    /// Makes all its runs.
    ///
    /// Who has no room for a number of calls is left out there and named in [`Outcome::no_room`];
    /// a peer that cannot be measured, in [`Outcome::failures`].
    ///
    /// # Errors
    /// The first error of a relay of ours, that it was stopped, or that there was room for nothing.
    pub fn carry_out(
        &self,
        runner: &mut dyn Runner,
        watcher: &mut dyn Watcher,
    ) -> Result<Outcome, BenchError> {
        self.check()?;
        let mut work = Work {
            runner,
            watcher,
            outcome: Outcome::default(),
            left: self.estimate(),
            search_seconds: self.search_seconds(),
            no_room: None,
        };
        match &self.mode {
            Mode::Fixed(rate) => fixed::carry_out(self, *rate, &mut work)?,
            Mode::Search => hunt::carry_out(self, &mut work)?,
            Mode::Sweep(rate, share) => sweep::carry_out(self, *rate, *share, &mut work)?,
            Mode::Against(loads) => against::carry_out(self, loads, &mut work)?,
        }
        work.end()
    }

    /// Whether all is in its range.
    ///
    /// # Errors
    /// [`BenchError::Args`] names the first that is not, and its range.
    pub fn check(&self) -> Result<(), BenchError> {
        let bad = |text: String| Err(BenchError::Args(text));
        if let Some(calls) = self.calls.iter().find(|n| !(1..=MAX_CALLS).contains(*n)) {
            return bad(format!("calls is {calls}, allowed are 1 to {MAX_CALLS}"));
        }
        if self.calls.is_empty() || self.contenders.is_empty() {
            return bad("there is nothing to run".to_owned());
        }
        let seconds = self.seconds;
        if !(MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
            return bad(format!(
                "a run of {seconds} s is not possible, allowed are {MIN_SECONDS} to {MAX_SECONDS}"
            ));
        }
        if !(1..=MAX_REPS).contains(&self.reps) {
            let reps = self.reps;
            return bad(format!(
                "repetitions are {reps}, allowed are 1 to {MAX_REPS}"
            ));
        }
        let loads: &[LoadName] = match &self.mode {
            Mode::Against(loads) => loads,
            Mode::Sweep(_, share) if !(1..=100).contains(share) => {
                return bad(format!("a share of {share} % is not possible"));
            }
            Mode::Fixed(Some(0)) | Mode::Sweep(Some(0), _) => &[LoadName::Fixed(0)],
            _ => &[],
        };
        let impossible =
            |load: &&LoadName| matches!(load, LoadName::Fixed(0) | LoadName::Share(0 | 101..));
        match loads.iter().find(impossible) {
            Some(load) => bad(format!("a load of {load} is not possible")),
            None => self.traffic.check(),
        }
    }

    /// Seconds that each run of a search lasts.
    fn search_seconds(&self) -> f64 {
        self.seconds.min(SEARCH_SECONDS)
    }
}
