//! The highest rate of each contender, searched step by step in turns: a minute in which the machine
//! is busy with something else then hits them all, not one.

use super::figures::{Failure, Seen};
use super::search::{Found, LOWEST, Next, Search};
use super::{Contender, Figures, Highest, LoadName, Plan, Wanted, Work};
use crate::packets::BenchError;

/// Searches with each number of calls. The last run that carried the rate found is what is reported.
pub(super) fn carry_out(plan: &Plan, work: &mut Work<'_>) -> Result<(), BenchError> {
    for calls in plan.calls.iter().copied() {
        for best in hunt(&plan.contenders, calls, work)? {
            work.watcher.over(&best);
            work.outcome.repetitions.push(best);
        }
    }
    Ok(())
}

/// Searches the contenders' highest rates, adds them to the outcome, and returns for each the last
/// run that was carried.
pub(super) fn hunt(
    contenders: &[Contender],
    calls: usize,
    work: &mut Work<'_>,
) -> Result<Vec<Figures>, BenchError> {
    let begin = |contender: &Contender| Hunter::new(contender, work.outcome.near(contender));
    let mut hunters: Vec<Hunter> = contenders.iter().map(begin).collect();
    let mut best = Vec::new();
    while hunters.iter().any(|hunter| !hunter.over) {
        for hunter in hunters.iter_mut().filter(|hunter| !hunter.over) {
            if let Err(error) = hunter.step(calls, work) {
                hunter.over = true;
                work.excuse(&hunter.contender, calls, error)?;
            } else if hunter.over {
                best.extend(hunter.carried.take());
            }
        }
    }
    Ok(best)
}

/// One contender's search.
struct Hunter {
    contender: Contender,
    search: Search,
    carried: Option<Figures>,
    over: bool,
}

impl Hunter {
    fn new(contender: &Contender, near: Option<u64>) -> Self {
        Self {
            contender: contender.clone(),
            search: Search::new(near),
            carried: None,
            over: false,
        }
    }

    /// Makes one more run, or ends.
    fn step(&mut self, calls: usize, work: &mut Work<'_>) -> Result<(), BenchError> {
        let packets_per_s = match self.search.next() {
            Next::Try(rate) => rate,
            Next::Found(found) => {
                self.found(found, calls, work);
                return Ok(());
            }
            Next::Nothing => {
                self.nothing(calls, work);
                return Ok(());
            }
        };
        let figures = work.run(&Wanted {
            contender: self.contender.clone(),
            calls,
            packets_per_s,
            load: LoadName::High,
            rep: 1,
            seconds: work.search_seconds,
        })?;
        work.watcher.tried(&figures);
        let seen = figures.seen();
        self.search.tell(seen);
        if !matches!(seen, Seen::Lossy(_)) {
            self.carried = Some(figures);
        }
        Ok(())
    }

    fn found(&mut self, found: Found, calls: usize, work: &mut Work<'_>) {
        self.over = true;
        let last = self.carried.as_ref().map(|figures| &figures.run);
        let engine = last.map_or(&self.contender.engine, |run| &run.engine);
        let delivered = last.map(|run| run.packets_per_s.round() as u64);
        let highest = Highest {
            contender: self.contender.clone(),
            system: self.contender.kind,
            engine: engine.clone(),
            calls,
            packets_per_s: delivered.unwrap_or(found.packets_per_s),
            offered_packets_per_s: found.packets_per_s,
            generator_limited: found.generator_limited,
            confirmed: found.confirmed,
            runs: self.search.runs(),
        };
        work.settle(self.contender.kind, calls, self.search.runs());
        work.watcher.found(&highest);
        work.outcome.highest.push(highest);
    }

    fn nothing(&mut self, calls: usize, work: &mut Work<'_>) {
        self.over = true;
        let runs = self.search.runs();
        work.settle(self.contender.kind, calls, runs);
        let error = BenchError::Relay(format!(
            "not even {LOWEST} packets/s are carried with at most 0.1 % loss"
        ));
        let failure = Failure::new(&self.contender, calls, &error);
        work.watcher
            .says(&format!("{} at {calls} calls: {error}", self.contender));
        work.outcome.failures.push(failure);
    }
}
