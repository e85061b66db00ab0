//! The distributor in a simulated centre, from seeds (invariants of requirements G1, G2, G5).
//!
//! `PATCHBAY_SIM_SEEDS=N` runs N seeds in each test, `PATCHBAY_SIM_SEED=X` runs one again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sim;

use sim::{Profile, Tally};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn run(seeds: u64, profile: Profile) -> Tally {
    if let Some(seed) = number("PATCHBAY_SIM_SEED") {
        return sim::run(seed, profile);
    }
    let mut total = Tally::default();
    for seed in 0..number("PATCHBAY_SIM_SEEDS").unwrap_or(seeds) {
        let tally = sim::run(seed, profile);
        total.calls += tally.calls;
        total.offers += tally.offers;
        total.connected += tally.connected;
        total.steps += tally.steps;
        total.restarts += tally.restarts;
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
    };
    let (a, b) = (sim::run(11, profile), sim::run(11, profile));
    assert_eq!(
        (a.calls, a.offers, a.connected, a.steps),
        (b.calls, b.offers, b.connected, b.steps)
    );
}
