//! Side by side: each one's highest rate first, then the loads, repetition by repetition.

use super::hunt::hunt;
use super::{LOW_PACKETS_PER_S, LoadName, Plan, Round, USUAL_SHARE, Work, estimate};
use crate::packets::BenchError;

pub(super) fn carry_out(
    plan: &Plan,
    loads: &[LoadName],
    work: &mut Work<'_>,
) -> Result<(), BenchError> {
    for calls in plan.calls.iter().copied() {
        if estimate::needs_search(loads) {
            hunt(&plan.contenders, calls, work)?;
        }
        let rounds = loads.iter().map(|load| round(plan, calls, *load, work));
        let rounds: Vec<Round> = rounds.collect();
        work.interleave(rounds, plan.reps, plan.seconds)?;
    }
    Ok(())
}

/// Who sends how much at a load. Whoever has no highest rate where one is needed is left out.
fn round(plan: &Plan, calls: usize, load: LoadName, work: &Work<'_>) -> Round {
    let highest = |contender| work.outcome.highest_of(contender, calls);
    let slowest = plan.contenders.iter().filter_map(highest).min();
    let share = |rate: u64, percent: u8| (rate.saturating_mul(percent.into()) / 100).max(1);
    let rate = |contender| match load {
        LoadName::Low => Some(LOW_PACKETS_PER_S),
        LoadName::Natural => Some(plan.traffic.natural(calls)),
        LoadName::Fixed(rate) => Some(rate),
        LoadName::Equal => {
            highest(contender).and(slowest.map(|slowest| share(slowest, USUAL_SHARE)))
        }
        LoadName::Share(percent) => highest(contender).map(|rate| share(rate, percent)),
        LoadName::High => highest(contender),
    };
    let entries = plan.contenders.iter();
    let entries = entries.filter_map(|who| rate(who).map(|rate| (who.clone(), rate)));
    Round {
        calls,
        load,
        entries: entries.collect(),
    }
}
