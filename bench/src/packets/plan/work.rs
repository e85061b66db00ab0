//! A plan under way: runs are made, told and collected.

use super::{
    Contender, Estimate, Failure, Figures, LoadName, NoRoom, Outcome, Runner, Wanted, Watcher,
};
use crate::packets::BenchError;
use crate::packets::vocabulary::SystemKind;

/// A plan under way.
pub(super) struct Work<'a> {
    pub runner: &'a mut dyn Runner,
    pub watcher: &'a mut dyn Watcher,
    pub outcome: Outcome,
    pub left: Estimate,
    pub search_seconds: f64,
    /// Why the last one without room had none.
    pub no_room: Option<BenchError>,
}

impl Work<'_> {
    /// Makes a run, a second time if the first one fails.
    pub fn run(&mut self, wanted: &Wanted) -> Result<Figures, BenchError> {
        self.watcher.begins(wanted, self.left);
        let watcher = &mut *self.watcher;
        let mut once = |watcher: &mut dyn Watcher| {
            self.runner
                .run(wanted, &mut |progress| watcher.far(progress))
        };
        let found = match once(watcher) {
            Ok(found) => Ok(found),
            Err(error) if !may_go_away(&error) => Err(error),
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
    pub fn count(&mut self, wanted: &Wanted) -> Result<(), BenchError> {
        let figures = self.run(wanted)?;
        self.watcher.over(&figures);
        self.outcome.repetitions.push(figures);
        Ok(())
    }

    /// A search is over that took so many runs.
    pub fn settle(&mut self, kind: SystemKind, calls: usize, runs: usize) {
        self.left.settle(kind, calls, self.search_seconds, runs);
    }

    /// Notes who has no room for so many calls, and that a peer could not be measured; another
    /// error of ours ends the plan.
    pub fn excuse(
        &mut self,
        contender: &Contender,
        calls: usize,
        error: BenchError,
    ) -> Result<(), BenchError> {
        if let Some(no_room) = NoRoom::new(contender, &error) {
            self.watcher
                .says(&format!("{no_room}; it is left out there"));
            self.outcome.no_room.push(no_room);
            self.no_room = Some(error);
            return Ok(());
        }
        if contender.is_ours() || matches!(error, BenchError::Stopped) {
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
    pub fn interleave(
        &mut self,
        mut rounds: Vec<Round>,
        reps: usize,
        seconds: f64,
    ) -> Result<(), BenchError> {
        for rep in 1..=reps {
            for round in &mut rounds {
                self.play(round, rep, seconds)?;
            }
        }
        Ok(())
    }

    /// Makes the runs of a round once.
    fn play(&mut self, round: &mut Round, rep: usize, seconds: f64) -> Result<(), BenchError> {
        let calls = round.calls;
        let has_room = |who: &Contender| !self.outcome.lacks_room(who, calls);
        round.entries.retain(|(who, _)| has_room(who));
        for (contender, packets_per_s) in round.entries.clone() {
            let wanted = Wanted {
                contender,
                calls,
                packets_per_s,
                load: round.load,
                rep,
                seconds,
            };
            if let Err(error) = self.count(&wanted) {
                self.excuse(&wanted.contender, calls, error)?;
                let others = |other: &Contender| *other != wanted.contender;
                round.entries.retain(|(other, _)| others(other));
            }
        }
        if !round.entries.is_empty() {
            round.entries.rotate_left(1);
        }
        Ok(())
    }

    /// What all the runs brought.
    ///
    /// # Errors
    /// [`BenchError::NoRoom`] if that is why there is nothing to report.
    pub fn end(self) -> Result<Outcome, BenchError> {
        let outcome = self.outcome;
        match self.no_room {
            Some(error) if outcome.repetitions.is_empty() && outcome.failures.is_empty() => {
                Err(error)
            }
            _ => Ok(outcome),
        }
    }
}

/// Whether what went wrong may go well the next time.
fn may_go_away(error: &BenchError) -> bool {
    !matches!(
        error,
        BenchError::Args(_) | BenchError::NoRoom { .. } | BenchError::Stopped
    )
}

/// Runs of several contenders that are made back to back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Round {
    pub calls: usize,
    pub load: LoadName,
    /// Who, and how many packets a second.
    pub entries: Vec<(Contender, u64)>,
}
