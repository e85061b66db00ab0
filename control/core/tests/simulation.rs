//! The distributor in a simulated centre, from seeds (invariants of requirements G1, G2, G5).
//!
//! `PATCHBAY_SIM_SEEDS=N` runs N seeds in each test of a small centre, from `PATCHBAY_SIM_FROM=F` on, and
//! `PATCHBAY_SIM_SEED=X` runs one again. `PATCHBAY_SIM_DAY=calm`, `faults` or `storm` makes the large
//! centre's two hours a day. `PATCHBAY_SIM_TRACE=1` prints what the distributor is told and what it says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sim;

use sim::day::Day;
use sim::{Profile, Tally};
use std::time::{Duration, Instant};

/// A small centre, often looked at as a whole.
const SMALL: Profile = Profile {
    calls: 0,
    between_ms: 1_000,
    loss: 0,
    double: 0,
    slow: 0,
    disturbed_every_ms: 0,
    whole_every: 3,
    day: None,
};

/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(60);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn run(seeds: u64, profile: Profile) -> Tally {
    if let Some(seed) = number("PATCHBAY_SIM_SEED") {
        return sim::run(seed, profile);
    }
    let mut total = Tally::default();
    let from = number("PATCHBAY_SIM_FROM").unwrap_or(0);
    let until = from + number("PATCHBAY_SIM_SEEDS").unwrap_or(seeds);
    let mut told = Instant::now();
    for seed in from..until {
        let tally = sim::run(seed, profile);
        total.calls += tally.calls;
        total.offers += tally.offers;
        total.connected += tally.connected;
        total.steps += tally.steps;
        total.restarts += tally.restarts;
        for (kind, count) in tally.told {
            *total.told.entry(kind).or_default() += count;
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let test = std::thread::current();
            let test = test.name().unwrap_or_default();
            println!("{test}: seed {seed}, up to {until}; {} steps", total.steps);
        }
    }
    println!("{total:?}");
    total
}

// A4, A5, G5
#[test]
fn a_centre_on_a_good_network() {
    let tally = run(
        300,
        Profile {
            calls: 100,
            between_ms: 4_500,
            loss: 0,
            double: 0,
            slow: 0,
            disturbed_every_ms: 0,
            ..SMALL
        },
    );
    assert!(tally.connected > 0);
}

// A4, A5, G1, G5
#[test]
fn a_centre_on_a_bad_network_with_restarts() {
    let tally = run(
        600,
        Profile {
            calls: 80,
            between_ms: 5_000,
            loss: 8,
            double: 8,
            slow: 15,
            disturbed_every_ms: 2_500,
            ..SMALL
        },
    );
    assert!(tally.connected > 0);
}

// A4, G5
#[test]
fn a_flood_that_queues_cannot_hold() {
    let tally = run(
        300,
        Profile {
            calls: 200,
            between_ms: 150,
            loss: 3,
            double: 3,
            slow: 5,
            disturbed_every_ms: 4_000,
            ..SMALL
        },
    );
    assert!(tally.connected > 0);
}

// G5
#[test]
fn the_same_seed_gives_the_same_run() {
    let profile = Profile {
        calls: 60,
        between_ms: 1_000,
        loss: 5,
        double: 5,
        slow: 10,
        disturbed_every_ms: 3_000,
        ..SMALL
    };
    let (a, b) = (sim::run(11, profile), sim::run(11, profile));
    assert_eq!(
        (a.calls, a.offers, a.connected, a.steps),
        (b.calls, b.offers, b.connected, b.steps)
    );
}

/// Steps between two looks at the whole of a large centre.
const WHOLE_EVERY: u64 = 10_000;

/// What happens in a day that is simulated well.
const HAPPENS: [&str; 19] = [
    "queued",
    "asked for less",
    "moved to another queue",
    "redirected",
    "offered to the last agent",
    "connected",
    "adopted",
    "ended",
    "refused",
    "abandoned",
    "unwanted session",
    "not answered",
    "declined",
    "busy",
    "unreachable",
    "caller gone while it rang",
    "answered elsewhere",
    "failed otherwise",
    "wrap-up",
];

// A4, A5, G1, G5
#[test]
fn a_day_of_two_thousand_agents() {
    const HOUR: u64 = 3_600_000;
    let kind = std::env::var("PATCHBAY_SIM_DAY");
    let (from, until) = if kind.is_ok() { (0, 24) } else { (10, 12) };
    let (loss, disturbed_every_ms) = match kind.as_deref() {
        Ok("calm") => (0, 0),
        Ok("storm") => (5, HOUR / 12),
        _ => (1, HOUR / 2),
    };
    let profile = Profile {
        calls: u64::MAX,
        loss,
        double: loss,
        slow: 2 * loss,
        disturbed_every_ms,
        whole_every: WHOLE_EVERY,
        day: Some(Day {
            from_ms: from * HOUR,
            until_ms: until * HOUR,
        }),
        ..SMALL
    };
    let began = Instant::now();
    let tally = sim::run(number("PATCHBAY_SIM_SEED").unwrap_or(0), profile);
    let took = began.elapsed().as_secs_f64();
    println!(
        "{tally:?}\n{took:.1} s: {:.0} contacts/s, {:.0} steps/s",
        tally.calls as f64 / took,
        tally.steps as f64 / took
    );
    let expected = if kind.is_ok() { 100_000 } else { 20_000 };
    let served = tally.connected > tally.calls / 2;
    assert!(tally.calls > expected && served, "{tally:?}");
    if kind.as_deref() == Ok("faults") {
        for kind in HAPPENS {
            assert!(tally.told.contains_key(kind), "{kind} never: {tally:?}");
        }
    }
}
