//! At one rate.

use super::{LoadName, Plan, Round, Work};
use crate::packets::BenchError;

pub(super) fn carry_out(
    plan: &Plan,
    rate: Option<u64>,
    work: &mut Work<'_>,
) -> Result<(), BenchError> {
    for calls in plan.calls.iter().copied() {
        let (load, packets_per_s) = match rate {
            Some(rate) => (LoadName::Fixed(rate), rate),
            None => (LoadName::Natural, plan.traffic.natural(calls)),
        };
        let entries = plan.contenders.iter().cloned();
        let round = Round {
            calls,
            load,
            entries: entries.map(|who| (who, packets_per_s)).collect(),
        };
        work.interleave(vec![round], plan.reps, plan.seconds)?;
    }
    Ok(())
}
