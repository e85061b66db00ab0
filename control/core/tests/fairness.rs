//! Fairness and efficiency of the distributor beside models of others, on the same arrivals
//! (requirements A4, G5). `PATCHBAY_FAIRNESS=1` measures all loads and sizes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fairness/bed.rs"]
mod bed;
#[path = "fairness/ours.rs"]
mod ours;
#[path = "fairness/peers.rs"]
mod peers;

use bed::{Distributor, Load, Outcome};
use ours::Ours;
use patchbay_core::centre::{Late, Strategy};
use peers::{AppQueue, CallCenter, Model, Peer};

/// Our strategies by name.
const OURS: [(&str, Strategy, Late); 6] = [
    (
        "Patchbay longest_idle",
        Strategy::LongestIdle,
        Late::InOrder,
    ),
    (
        "Patchbay least_occupied",
        Strategy::LeastOccupied,
        Late::InOrder,
    ),
    ("Patchbay round_robin", Strategy::RoundRobin, Late::InOrder),
    ("Patchbay ring_all", Strategy::RingAll, Late::InOrder),
    (
        "Patchbay longest_idle, late behind",
        Strategy::LongestIdle,
        Late::Behind,
    ),
    (
        "Patchbay ring_all, late behind",
        Strategy::RingAll,
        Late::Behind,
    ),
];
const PEERS: [(&str, Peer); 10] = [
    (
        "mod_callcenter longest-idle-agent",
        Peer::CallCenter(CallCenter::LongestIdle),
    ),
    (
        "mod_callcenter round-robin",
        Peer::CallCenter(CallCenter::RoundRobin),
    ),
    (
        "mod_callcenter top-down",
        Peer::CallCenter(CallCenter::TopDown),
    ),
    (
        "mod_callcenter agent-with-least-talk-time",
        Peer::CallCenter(CallCenter::LeastTalkTime),
    ),
    (
        "mod_callcenter agent-with-fewest-calls",
        Peer::CallCenter(CallCenter::FewestCalls),
    ),
    (
        "app_queue leastrecent",
        Peer::AppQueue(AppQueue::LeastRecent),
    ),
    (
        "app_queue fewestcalls",
        Peer::AppQueue(AppQueue::FewestCalls),
    ),
    ("app_queue rrmemory", Peer::AppQueue(AppQueue::RrMemory)),
    ("app_queue ringall", Peer::AppQueue(AppQueue::RingAll)),
    ("call_center (OpenSIPS)", Peer::OpenSips),
];
/// How many callers of each load are compared, about: smaller centres are run more often.
const AGENTS_COMPARED: usize = 400;
/// How far ours may be behind in the part of callers answered in time, for chance alone: so many
/// standard errors of the mean of the differences between runs of the same seed, and at least this.
const STANDARD_ERRORS: f64 = 2.5;
const LEAST_MARGIN: f64 = 0.004;
/// Whoever overtakes so many more of all callers does not serve them in their order.
const OVERTAKES: f64 = 0.02;
/// How far the spread of the strategy that is meant to be even may be behind the best.
const SPREAD_MARGIN: f64 = 0.005;

/// One distributor's outcomes, a seed each.
struct Row {
    name: &'static str,
    runs: Vec<Outcome>,
}

impl Row {
    fn measure(name: &'static str, load: Load, new: impl Fn(Load) -> Box<dyn Distributor>) -> Self {
        let seeds = (AGENTS_COMPARED / load.agents) as u64;
        let runs = (1..=seeds).map(|seed| {
            let load = Load { seed, ..load };
            bed::run(load, &mut *new(load))
        });
        let runs = runs.collect();
        Self { name, runs }
    }

    fn mean(&self) -> Outcome {
        Outcome::mean(&self.runs)
    }

    /// By how much it has more of something than another, and what chance may make of that.
    fn beside(&self, other: &Self, of: fn(&Outcome) -> f64) -> (f64, f64) {
        let pairs = self.runs.iter().zip(&other.runs);
        let differences: Vec<f64> = pairs.map(|(a, b)| of(a) - of(b)).collect();
        let count = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / count;
        let squares = differences.iter().map(|one| (one - mean).powi(2));
        let error = (squares.sum::<f64>() / (count - 1.0) / count).sqrt();
        (mean, (STANDARD_ERRORS * error).max(LEAST_MARGIN))
    }

    fn print(&self, load: Load) {
        let mean = self.mean();
        println!(
            "| {} | {} | {} | {} | {:.1} % | {:.1} s | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
            load.agents,
            load.skills,
            load.offered,
            self.name,
            100.0 * mean.in_time,
            mean.mean_wait_s,
            100.0 * mean.abandoned,
            100.0 * mean.overtaken,
            100.0 * mean.occupancy,
            100.0 * mean.spread,
        );
    }
}

fn compare(load: Load) {
    let ours = OURS.map(|(name, strategy, late)| {
        Row::measure(name, load, |load| Box::new(Ours::new(load, strategy, late)))
    });
    let peers =
        PEERS.map(|(name, peer)| Row::measure(name, load, |load| Box::new(Model::new(peer, load))));
    for row in ours.iter().chain(&peers) {
        row.print(load);
    }
    let [
        longest_idle,
        least_occupied,
        _,
        ring_all,
        ..,
        one_in_time,
        all_in_time,
    ] = &ours;
    for peer in &peers {
        match peer.name.contains("ringall") {
            true => {
                not_behind(load, ring_all, peer);
                most_in_time(load, all_in_time, peer);
            }
            false => {
                not_behind(load, longest_idle, peer);
                most_in_time(load, one_in_time, peer);
            }
        }
    }
    let even = peers.iter().map(|peer| peer.mean().spread);
    let even = even.fold(f64::INFINITY, f64::min);
    let spread = least_occupied.mean().spread;
    assert!(
        spread <= even + SPREAD_MARGIN,
        "{load:?}: spread {spread} beside {even}"
    );
}

/// No more callers give up, and as many are answered in time; but who serves later callers before
/// earlier ones answers more of them in time when there are too few agents, at the cost of the others.
fn not_behind(load: Load, ours: &Row, peer: &Row) {
    let (more_gave_up, margin) = ours.beside(peer, |outcome| outcome.abandoned);
    assert!(
        more_gave_up <= margin,
        "{load:?}: {more_gave_up} more than with {} give up, margin {margin}",
        peer.name
    );
    let overtakes = peer.mean().overtaken > ours.mean().overtaken + OVERTAKES;
    let (ahead, margin) = ours.beside(peer, |outcome| outcome.in_time);
    assert!(
        ahead >= -margin || overtakes,
        "{load:?}: {} is {ahead} ahead of {}, margin {margin}",
        ours.name,
        peer.name
    );
}

/// Where those who are late wait behind, as many are answered in time as by anybody, whoever overtakes whom.
fn most_in_time(load: Load, ours: &Row, peer: &Row) {
    let (ahead, margin) = ours.beside(peer, |outcome| outcome.in_time);
    assert!(
        ahead >= -margin,
        "{load:?}: {} is {ahead} ahead of {}, margin {margin}",
        ours.name,
        peer.name
    );
}

/// In the tables of the documentation.
const HEAD: &str = "| agents | skills | load | distributor | within 20 s | mean wait | gave up \
    | overtaken | occupancy | spread |\n|---|---|---|---|---|---|---|---|---|---|";

// A4, G5
#[test]
fn callers_are_answered_as_soon_and_work_is_spread_as_evenly_as_by_the_best_of_others() {
    let all = std::env::var_os("PATCHBAY_FAIRNESS").is_some();
    let (sizes, loads): (&[usize], &[f64]) = match all {
        true => (&[10, 50, 200], &[0.7, 0.85, 0.95, 1.1]),
        false => (&[10, 50], &[0.95]),
    };
    println!("{HEAD}");
    for agents in sizes {
        for skills in [1, 3] {
            for offered in loads {
                compare(Load {
                    agents: *agents,
                    offered: *offered,
                    skills,
                    hours: 4.0,
                    seed: 0,
                });
            }
        }
    }
}
