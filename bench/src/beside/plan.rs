//! Which systems, which loads, in which order.

use std::time::Duration;

use super::measure::{Footprint, Run, Wish, at_rate, standing};
use super::search::Hunt;
use super::summary::Highest;
use super::{Bed, BesideError, SystemKind};
use crate::dialler::Progress;

/// Rates of a run, calls a second: lowest and highest.
const RATES: (f64, f64) = (1.0, 20_000.0);
/// A search in a further repetition begins at this share of what the one before found.
const BELOW_BEST: f64 = 0.8;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Ours first, then what it is measured against; the phones alone are always measured, too.
    pub systems: Vec<SystemKind>,
    /// Calls a second of the fixed loads.
    pub rates: Vec<f64>,
    /// Repetitions of everything.
    pub reps: usize,
    /// How long the calls of a run count.
    pub window: Duration,
    /// How long an answered call talks.
    pub hold: Duration,
    /// A run is clean if no set-up took longer.
    pub bound: Duration,
    /// Calls that stand together while memory is read; 0: none.
    pub standing: usize,
    /// Search for the highest clean rate.
    pub search: bool,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Runs at the fixed rates, in their order.
    pub runs: Vec<Run>,
    /// Runs of the searches, in their order.
    pub searched: Vec<Run>,
    /// What standing calls took.
    pub footprints: Vec<Footprint>,
    /// What the searches found.
    pub highest: Vec<Highest>,
    /// What could not be measured.
    pub failures: Vec<String>,
}

/// Whoever waits for it.
pub trait Audience {
    /// This begins, as number so of so many.
    fn begins(&mut self, what: &str, number: usize, of: usize);
    /// So far are its calls.
    fn far(&mut self, progress: Progress);
    /// A line to keep.
    fn line(&mut self, text: &str);
}

impl Plan {
    /// # Errors
    /// [`BesideError::Args`] says which argument is out of its range.
    pub fn check(&self) -> Result<(), BesideError> {
        let bad = |what: &str| Err(BesideError::Args(what.to_owned()));
        if self
            .rates
            .iter()
            .any(|rate| !(RATES.0..=RATES.1).contains(rate))
        {
            return bad("rates are from 1 to 20000 calls a second");
        }
        if self.rates.is_empty() && !self.search && self.standing == 0 {
            return bad("nothing is to be measured");
        }
        if self.reps == 0 || self.reps > 100 {
            return bad("there are from 1 to 100 repetitions");
        }
        if self.window < Duration::from_millis(100) || self.window > Duration::from_secs(600) {
            return bad("a run lasts from 0.1 to 600 seconds");
        }
        if self.hold > Duration::from_secs(60) {
            return bad("a call talks for at most 60 seconds");
        }
        if self.standing > 20_000 {
            return bad("at most 20000 calls stand together");
        }
        Ok(())
    }

    /// Everything that is measured: the systems, and the phones alone.
    fn contenders(&self) -> Vec<SystemKind> {
        let mut all = self.systems.clone();
        all.push(SystemKind::Direct);
        all
    }

    /// In another order each time, so that none always runs first.
    fn in_turn(&self, rep: usize) -> Vec<SystemKind> {
        let mut all = self.contenders();
        let turn = rep % all.len().max(1);
        all.rotate_left(turn);
        all
    }

    /// Runs before the searches, whose length nobody knows.
    fn steps(&self) -> usize {
        let fixed = self.rates.len() * self.contenders().len();
        let standing = if self.standing > 0 {
            self.systems.len()
        } else {
            0
        };
        self.reps * (fixed + standing)
    }

    /// Runs all of it. What fails on its own is noted; the rest goes on.
    ///
    /// # Errors
    /// [`BesideError::Stopped`], and whatever hinders all runs.
    pub fn carry_out(
        &self,
        bed: &mut Bed<'_>,
        audience: &mut dyn Audience,
    ) -> Result<Outcome, BesideError> {
        let mut outcome = Outcome::default();
        let mut step = 0;
        for rep in 0..self.reps {
            for rate in &self.rates {
                for kind in self.in_turn(rep) {
                    step += 1;
                    let what = format!("{}, {rate:.0} calls/s", kind.name());
                    audience.begins(&what, step, self.steps());
                    let wish = self.wish(kind, rep, *rate);
                    let run = at_rate(bed, wish, &mut |progress| audience.far(progress));
                    outcome.keep(run, audience, |outcome, run| outcome.runs.push(run))?;
                }
            }
            for kind in self.in_turn(rep) {
                if self.standing > 0 && kind != SystemKind::Direct {
                    step += 1;
                    let what = format!("{}, {} standing calls", kind.name(), self.standing);
                    audience.begins(&what, step, self.steps());
                    let tell = &mut |progress| audience.far(progress);
                    let found = standing(bed, kind, rep, self.standing, tell);
                    outcome.keep(found, audience, |outcome, one| outcome.footprints.push(one))?;
                }
            }
        }
        if self.search {
            self.search(bed, &mut outcome, audience)?;
        }
        Ok(outcome)
    }

    fn wish(&self, kind: SystemKind, rep: usize, calls_per_s: f64) -> Wish {
        Wish {
            kind,
            rep,
            calls_per_s,
            window: self.window,
            hold: self.hold,
        }
    }

    /// The searches of a repetition take turns step by step.
    fn search(
        &self,
        bed: &mut Bed<'_>,
        outcome: &mut Outcome,
        audience: &mut dyn Audience,
    ) -> Result<(), BesideError> {
        for rep in 0..self.reps {
            let mut hunts: Vec<(SystemKind, Hunt, bool)> = Vec::new();
            for kind in self.in_turn(rep) {
                // What only stands for a floor is searched once.
                if rep == 0 || matches!(kind, SystemKind::Patchbay | SystemKind::Kamailio) {
                    hunts.push((kind, Hunt::new(self.begin(kind, outcome)), false));
                }
            }
            while hunts.iter().any(|(_, hunt, _)| hunt.next().is_some()) {
                for (kind, hunt, limited) in &mut hunts {
                    if let Some(rate) = hunt.next() {
                        let wish = self.wish(*kind, rep, rate);
                        *limited |= self.try_rate(bed, wish, hunt, outcome, audience)?;
                    }
                }
            }
            for (kind, hunt, limited) in hunts {
                let found = Highest {
                    system: kind,
                    rep,
                    calls_per_s: hunt.best(),
                    dialler_limited: limited,
                };
                audience.line(&found.line());
                outcome.highest.push(found);
            }
        }
        Ok(())
    }

    /// A step of a search; whether the dialler was the limit.
    fn try_rate(
        &self,
        bed: &mut Bed<'_>,
        wish: Wish,
        hunt: &mut Hunt,
        outcome: &mut Outcome,
        audience: &mut dyn Audience,
    ) -> Result<bool, BesideError> {
        let what = format!(
            "{}, trying {:.0} calls/s",
            wish.kind.name(),
            wish.calls_per_s
        );
        audience.begins(&what, self.steps(), self.steps());
        let run = match at_rate(bed, wish, &mut |progress| audience.far(progress)) {
            Err(BesideError::Stopped) => return Err(BesideError::Stopped),
            Err(error) => {
                outcome.failures.push(format!("{what}: {error}"));
                hunt.found(false, false);
                return Ok(false);
            }
            Ok(run) => run,
        };
        let limited = run.dialler_was_busy() || !run.kept_up();
        let clean = run.is_clean(self.bound);
        audience.line(&run.tried_line(clean));
        hunt.found(clean, limited);
        outcome.searched.push(run);
        Ok(limited)
    }

    fn begin(&self, kind: SystemKind, outcome: &Outcome) -> f64 {
        let found = outcome.highest.iter().rev().find(|one| one.system == kind);
        let best = found.and_then(|found| found.calls_per_s);
        let fixed = self.rates.iter().copied().fold(f64::NAN, f64::max);
        match best {
            Some(best) => best * BELOW_BEST,
            None if fixed.is_nan() => 500.0,
            None => fixed,
        }
    }
}

impl Outcome {
    /// Keeps what came of a run, or notes why nothing did.
    fn keep<T: Line>(
        &mut self,
        result: Result<T, BesideError>,
        audience: &mut dyn Audience,
        push: impl FnOnce(&mut Self, T),
    ) -> Result<(), BesideError> {
        match result {
            Ok(found) => {
                audience.line(&found.line());
                push(self, found);
                Ok(())
            }
            // Without the program itself no run can be made.
            Err(error @ (BesideError::Stopped | BesideError::Missing(_))) => Err(error),
            Err(error) => {
                audience.line(&format!("  {error}"));
                self.failures.push(error.to_string());
                Ok(())
            }
        }
    }
}

/// What a finished run is told by.
pub(super) trait Line {
    fn line(&self) -> String;
}
