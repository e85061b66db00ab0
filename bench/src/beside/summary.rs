//! What repetitions have in common, and how ours compares.

use std::collections::BTreeMap;

use serde::Serialize;

use super::measure::{Footprint, Run};
use super::{Outcome, SystemKind};
use crate::packets::plan::Spread;
use crate::report::Quantiles;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Highest {
    /// Which system.
    pub system: SystemKind,
    /// Number of the repetition, from 0.
    pub rep: usize,
    /// The highest clean rate; `None` if no rate was clean.
    pub calls_per_s: Option<f64>,
    /// The dialler could not place more, so the true limit is higher.
    pub dialler_limited: bool,
}

/// The medians of all repetitions of one system at one rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Which system.
    pub system: SystemKind,
    /// Name and version.
    pub version: String,
    /// Calls a second that were wanted.
    pub wanted_calls_per_s: f64,
    /// Calls a second that were placed.
    pub calls_per_s: f64,
    /// Repetitions.
    pub reps: usize,
    /// Calls placed, all repetitions together.
    pub offered: u64,
    /// Calls that failed, all repetitions together.
    pub failed: u64,
    /// The same by reason.
    pub failures: BTreeMap<String, u64>,
    /// Messages that were sent or came more than once, all repetitions together.
    pub again: u64,
    /// CPU time of all processes for a call, microseconds.
    pub cpu_us_per_call: f64,
    /// Lowest and highest repetition.
    pub cpu_spread_us: [f64; 2],
    /// INVITE to 200 at the caller, milliseconds; the highest is the highest of all.
    pub setup_ms: Quantiles,
    /// The same minus what the phones alone took beside it.
    pub added_setup_ms: Option<Added>,
    /// Memory for a standing call, bytes, as measured by itself.
    pub bytes_per_call: Option<f64>,
    /// Open sockets for a standing call.
    pub sockets_per_call: Option<f64>,
    /// Share of its core that the dialler used, 0 to 1.
    pub dialler_load: f64,
    /// Share of the system's core that others used, 0 to 1.
    pub others: f64,
    /// What makes the figures doubtful.
    pub remarks: Vec<String>,
}

/// Set-up time that a system adds, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Added {
    /// Half of the calls.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
}

/// Ours beside a peer. Above 1 ours is better.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The peer.
    pub against: SystemKind,
    /// The load, calls a second; `None` for what does not depend on it.
    pub calls_per_s: Option<f64>,
    /// Its CPU time for a call divided by ours.
    pub cpu: Option<f64>,
    /// Our highest clean rate divided by its.
    pub rate: Option<f64>,
    /// Its median set-up divided by ours.
    pub p50: Option<f64>,
    /// Its p99 of the set-up divided by ours.
    pub p99: Option<f64>,
    /// Its memory for a standing call divided by ours.
    pub memory: Option<f64>,
    /// Medians with lowest and highest repetition.
    pub spread: Ratios,
    /// Our rate was the dialler's limit: `rate` is the least that it can be.
    pub rate_is_lower_bound: bool,
}

/// The ratios of repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ratios {
    /// CPU time for a call.
    pub cpu: Option<Spread>,
    /// Highest clean rate.
    pub rate: Option<Spread>,
    /// Median set-up.
    pub p50: Option<Spread>,
    /// p99 of the set-up.
    pub p99: Option<Spread>,
    /// Memory for a standing call.
    pub memory: Option<Spread>,
}

/// A row for each rate and system, in the order in which they first ran.
#[must_use]
pub(super) fn rows(outcome: &Outcome) -> Vec<Row> {
    let mut keys: Vec<(f64, SystemKind)> = Vec::new();
    for run in &outcome.runs {
        let key = (run.wanted_calls_per_s, run.system);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keys.into_iter()
        .filter_map(|(rate, system)| row(outcome, rate, system))
        .collect()
}

fn of(outcome: &Outcome, rate: f64, system: SystemKind) -> impl Iterator<Item = &Run> + Clone {
    outcome
        .runs
        .iter()
        .filter(move |run| run.wanted_calls_per_s == rate && run.system == system)
}

fn row(outcome: &Outcome, rate: f64, system: SystemKind) -> Option<Row> {
    let runs = of(outcome, rate, system);
    let first = runs.clone().next()?;
    let middle = |get: fn(&Run) -> f64| {
        Spread::of(runs.clone().map(get)).map_or(0.0, |spread| spread.median)
    };
    let cpu = Spread::of(runs.clone().map(|run| run.cpu_us_per_call))?;
    let mut failures = BTreeMap::new();
    let mut remarks = Vec::new();
    for run in runs.clone() {
        for (reason, count) in &run.failures {
            *failures.entry(reason.clone()).or_default() += count;
        }
        remarks.extend(
            run.remarks
                .iter()
                .map(|text| format!("{}: {text}", run.rep + 1)),
        );
    }
    let feet = |get: fn(&Footprint) -> f64| footprint(outcome, system, get).map(|s| s.median);
    Some(Row {
        system,
        version: first.version.clone(),
        wanted_calls_per_s: rate,
        calls_per_s: middle(|run| run.calls_per_s),
        reps: runs.clone().count(),
        offered: runs.clone().map(|run| run.offered).sum(),
        failed: runs.clone().map(|run| run.failed).sum(),
        failures,
        again: runs.clone().map(|run| run.again.sum()).sum(),
        cpu_us_per_call: cpu.median,
        cpu_spread_us: [cpu.min, cpu.max],
        setup_ms: Quantiles {
            p50: middle(|run| run.setup_ms.p50),
            p99: middle(|run| run.setup_ms.p99),
            max: runs.clone().map(|run| run.setup_ms.max).fold(0.0, f64::max),
            count: runs.clone().map(|run| run.setup_ms.count).sum(),
        },
        added_setup_ms: added(outcome, rate, system),
        bytes_per_call: feet(|one| one.bytes_per_call),
        sockets_per_call: feet(|one| one.sockets_per_call),
        dialler_load: middle(|run| run.dialler_load),
        others: middle(|run| run.others),
        remarks,
    })
}

fn footprint(outcome: &Outcome, system: SystemKind, get: fn(&Footprint) -> f64) -> Option<Spread> {
    let mine = outcome.footprints.iter().filter(|one| one.system == system);
    Spread::of(mine.map(get))
}

/// Against the phones alone in the same repetition.
fn added(outcome: &Outcome, rate: f64, system: SystemKind) -> Option<Added> {
    if system == SystemKind::Direct {
        return None;
    }
    let less = |get: fn(&Run) -> f64| {
        let pairs = pairs(outcome, rate, system, SystemKind::Direct);
        Spread::of(pairs.map(|(run, alone)| (get(run) - get(alone)).max(0.0)))
    };
    Some(Added {
        p50: less(|run| run.setup_ms.p50)?.median,
        p99: less(|run| run.setup_ms.p99)?.median,
    })
}

/// Runs of two systems that stand next to each other in time.
fn pairs(
    outcome: &Outcome,
    rate: f64,
    one: SystemKind,
    other: SystemKind,
) -> impl Iterator<Item = (&Run, &Run)> {
    of(outcome, rate, one).filter_map(move |run| {
        let beside = of(outcome, rate, other).find(|beside| beside.rep == run.rep)?;
        Some((run, beside))
    })
}

/// Ours beside each peer: for each rate, and once for what no rate says.
#[must_use]
pub(super) fn ratios(outcome: &Outcome, systems: &[SystemKind]) -> Vec<Ratio> {
    let mut rates: Vec<f64> = Vec::new();
    for run in &outcome.runs {
        if !rates.contains(&run.wanted_calls_per_s) {
            rates.push(run.wanted_calls_per_s);
        }
    }
    let peers = systems.iter().filter(|kind| **kind != SystemKind::Patchbay);
    let mut found = Vec::new();
    for peer in peers.copied() {
        found.extend(rates.iter().map(|rate| at_rate(outcome, peer, *rate)));
        found.push(at_no_rate(outcome, peer));
    }
    found.retain(|ratio| ratio.spread != Ratios::default());
    found
}

fn at_rate(outcome: &Outcome, peer: SystemKind, rate: f64) -> Ratio {
    let spread = |get: fn(&Run) -> f64| {
        let pairs = pairs(outcome, rate, SystemKind::Patchbay, peer);
        Spread::of(pairs.filter_map(|(ours, theirs)| quotient(get(theirs), get(ours))))
    };
    let spread = Ratios {
        cpu: spread(|run| run.cpu_us_per_call),
        p50: spread(|run| run.setup_ms.p50),
        p99: spread(|run| run.setup_ms.p99),
        ..Ratios::default()
    };
    ratio(peer, Some(rate), spread, false)
}

fn at_no_rate(outcome: &Outcome, peer: SystemKind) -> Ratio {
    let ours = |kind| move |one: &&Highest| one.system == kind;
    let mine = outcome.highest.iter().filter(ours(SystemKind::Patchbay));
    let rates = mine.clone().filter_map(|mine| {
        let mut theirs = outcome.highest.iter().filter(ours(peer));
        let theirs = theirs.find(|one| one.rep == mine.rep)?;
        quotient(mine.calls_per_s?, theirs.calls_per_s?)
    });
    let feet = |kind| {
        outcome
            .footprints
            .iter()
            .filter(move |one| one.system == kind)
    };
    let memory = feet(SystemKind::Patchbay).filter_map(|mine| {
        let theirs = feet(peer).find(|one| one.rep == mine.rep)?;
        quotient(theirs.bytes_per_call, mine.bytes_per_call)
    });
    let spread = Ratios {
        rate: Spread::of(rates),
        memory: Spread::of(memory),
        ..Ratios::default()
    };
    let limited = mine.clone().any(|mine| mine.dialler_limited);
    ratio(peer, None, spread, limited)
}

fn ratio(
    against: SystemKind,
    calls_per_s: Option<f64>,
    spread: Ratios,
    rate_is_lower_bound: bool,
) -> Ratio {
    let middle = |spread: Option<Spread>| spread.map(|spread| spread.median);
    Ratio {
        against,
        calls_per_s,
        cpu: middle(spread.cpu),
        rate: middle(spread.rate),
        p50: middle(spread.p50),
        p99: middle(spread.p99),
        memory: middle(spread.memory),
        spread,
        rate_is_lower_bound,
    }
}

fn quotient(above: f64, below: f64) -> Option<f64> {
    (below > 0.0 && above > 0.0).then(|| above / below)
}
