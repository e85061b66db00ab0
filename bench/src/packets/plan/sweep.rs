//! Over numbers of calls at one rate, to see how the cost of a packet grows.

use super::hunt::hunt;
use super::{LoadName, Plan, Round, Work};
use crate::packets::BenchError;

pub(super) fn carry_out(
    plan: &Plan,
    rate: Option<u64>,
    share: u8,
    work: &mut Work<'_>,
) -> Result<(), BenchError> {
    let rate = match rate {
        Some(rate) => rate,
        None => affordable(plan, share, work)?,
    };
    let round = |calls: usize| Round {
        calls,
        load: LoadName::Fixed(rate),
        entries: plan
            .contenders
            .iter()
            .map(|who| (who.clone(), rate))
            .collect(),
    };
    // All sizes in each repetition: a drift of the machine is then no slope.
    let rounds = plan.calls.iter().copied().map(round).collect();
    work.interleave(rounds, plan.reps, plan.seconds)
}

/// That percentage of what the slowest contender carries with the most calls that it has room for.
fn affordable(plan: &Plan, share: u8, work: &mut Work<'_>) -> Result<u64, BenchError> {
    let mut sizes = plan.calls.clone();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let mut asked = plan.contenders.clone();
    for calls in sizes {
        if asked.is_empty() {
            break;
        }
        hunt(&asked, calls, work)?;
        asked.retain(|who| work.outcome.lacks_room(who, calls));
    }
    let known = work.outcome.highest.iter();
    let slowest = known.map(|highest| highest.offered_packets_per_s).min();
    let slowest = slowest.ok_or_else(|| {
        BenchError::Relay("no relay carries anything with these calls".to_owned())
    })?;
    let rate = (slowest.saturating_mul(share.into()) / 100).max(1);
    work.watcher.says(&format!(
        "all sizes at {rate} packets/s, {share} % of what the slowest carries"
    ));
    Ok(rate)
}
