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

use std::fmt;

use serde::{Serialize, Serializer};

use super::measure::Run;
use super::vocabulary::SystemKind;
use super::{BenchError, Progress};

pub use estimate::Estimate;
pub use figures::{CARRIED_LOSS, Failure, Figures, Highest, Seen, Wanted};
pub use statistics::{Spread, median};
pub use summary::{Growth, Ratio, Row, growths, ratios, rows};

/// Packets a second of the load `low`.
pub const LOW_PACKETS_PER_S: u64 = 2000;
/// The share of the highest rate that the loads `70%` and `equal` have, in percent.
pub const USUAL_SHARE: u8 = 70;
/// Seconds that each run of a search lasts.
pub const SEARCH_SECONDS: f64 = 2.0;
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
    /// Packets a second that one call sends by itself.
    pub packets_per_call_s: u64,
    /// Seconds that each run lasts, those of a search excepted.
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
        found.map(|highest| highest.packets_per_s)
    }

    /// The highest rate of a contender with so many calls.
    fn highest_of(&self, contender: &Contender, calls: usize) -> Option<u64> {
        let mut found = self.highest.iter();
        let found = found.find(|highest| highest.contender == *contender && highest.calls == calls);
        found.map(|highest| highest.packets_per_s)
    }
}

impl Plan {
    /// Makes all its runs.
    ///
    /// # Errors
    /// The first error of a relay of ours. A peer that cannot be measured is left out and named in
    /// [`Outcome::failures`].
    pub fn carry_out(
        &self,
        runner: &mut dyn Runner,
        watcher: &mut dyn Watcher,
    ) -> Result<Outcome, BenchError> {
        let mut work = Work {
            runner,
            watcher,
            outcome: Outcome::default(),
            left: self.estimate(),
        };
        match &self.mode {
            Mode::Fixed(rate) => fixed::carry_out(self, *rate, &mut work)?,
            Mode::Search => hunt::carry_out(self, &mut work)?,
            Mode::Sweep(rate, share) => sweep::carry_out(self, *rate, *share, &mut work)?,
            Mode::Against(loads) => against::carry_out(self, loads, &mut work)?,
        }
        Ok(work.outcome)
    }

    /// Packets a second that so many calls send by themselves.
    #[must_use]
    pub fn natural(&self, calls: usize) -> u64 {
        (calls as u64)
            .saturating_mul(self.packets_per_call_s)
            .max(1)
    }
}

/// A plan under way.
struct Work<'a> {
    runner: &'a mut dyn Runner,
    watcher: &'a mut dyn Watcher,
    outcome: Outcome,
    left: Estimate,
}

impl Work<'_> {
    /// Makes a run, a second time if the first one fails.
    fn run(&mut self, wanted: &Wanted) -> Result<Figures, BenchError> {
        self.watcher.begins(wanted, self.left);
        let watcher = &mut *self.watcher;
        let mut once = |watcher: &mut dyn Watcher| {
            self.runner
                .run(wanted, &mut |progress| watcher.far(progress))
        };
        let found = match once(watcher) {
            Ok(found) => Ok(found),
            Err(error @ BenchError::Args(_)) => Err(error),
            Err(error) => {
                watcher.says(&format!("{} failed, once more: {error}", wanted.contender));
                once(watcher)
            }
        };
        self.left.take(wanted);
        let figures = Figures::new(wanted, found?);
        self.outcome.wrong += figures.run.wrong.total();
        Ok(figures)
    }

    /// Makes a run whose figures count.
    fn count(&mut self, wanted: &Wanted) -> Result<(), BenchError> {
        let figures = self.run(wanted)?;
        self.watcher.over(&figures);
        self.outcome.repetitions.push(figures);
        Ok(())
    }

    /// Notes that a peer could not be measured; an error of ours ends the plan.
    fn excuse(
        &mut self,
        contender: &Contender,
        calls: usize,
        error: BenchError,
    ) -> Result<(), BenchError> {
        if contender.is_ours() {
            return Err(error);
        }
        let failure = Failure::new(contender, calls, &error);
        self.watcher.says(&format!(
            "{contender} is left out at {calls} calls: {error}"
        ));
        self.outcome.failures.push(failure);
        Ok(())
    }

    /// Makes rounds of runs, again and again; who begins a round is another one in each repetition.
    fn interleave(
        &mut self,
        mut rounds: Vec<Round>,
        reps: usize,
        seconds: f64,
    ) -> Result<(), BenchError> {
        for rep in 1..=reps {
            for round in &mut rounds {
                for (contender, packets_per_s) in round.entries.clone() {
                    let wanted = Wanted {
                        contender,
                        calls: round.calls,
                        packets_per_s,
                        load: round.load,
                        rep,
                        seconds,
                    };
                    if let Err(error) = self.count(&wanted) {
                        self.excuse(&wanted.contender, round.calls, error)?;
                        round
                            .entries
                            .retain(|(other, _)| *other != wanted.contender);
                    }
                }
                if !round.entries.is_empty() {
                    round.entries.rotate_left(1);
                }
            }
        }
        Ok(())
    }
}

/// Runs of several contenders that are made back to back.
#[derive(Clone, Debug, PartialEq)]
struct Round {
    calls: usize,
    load: LoadName,
    /// Who, and how many packets a second.
    entries: Vec<(Contender, u64)>,
}
