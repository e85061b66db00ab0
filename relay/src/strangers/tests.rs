//! The buckets, by example and against a plain model.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

const SECOND: u64 = 1_000_000_000;

fn v4(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(n))
}

fn admitted(table: &mut Strangers, source: IpAddr, count: u64, now: u64) -> u64 {
    (0..count)
        .map(|_| u64::from(table.admit(source, now)))
        .sum()
}

#[test]
fn a_source_has_its_burst_and_then_its_rate() {
    let mut table = Strangers::new(7);
    let source = v4(0x0a00_0001);
    assert_eq!(admitted(&mut table, source, 50_000, 5), STRANGER_BURST);
    let later = 5 + SECOND;
    assert_eq!(admitted(&mut table, source, 50_000, later), STRANGER_RATE);
    // After a long pause it has a burst again, and not more.
    let much_later = later + 3600 * SECOND;
    assert_eq!(
        admitted(&mut table, source, 50_000, much_later),
        STRANGER_BURST
    );
}

#[test]
fn no_more_sources_are_remembered_than_there_are_places() {
    let mut table = Strangers::new(7);
    assert!(table.admit(v4(1), 1) && table.admit(v4(1), 2) && table.admit(v4(2), 2));
    assert_eq!(table.remembered(), 2);
    for source in 0..100_000 {
        let _ = table.admit(v4(source), 3);
    }
    assert_eq!(table.remembered(), MAX_STRANGERS);
}

#[test]
fn what_one_source_does_costs_no_other() {
    let mut table = Strangers::new(7);
    admitted(&mut table, v4(1), 50_000, 1);
    assert!(!table.admit(v4(1), 1));
    assert!(table.admit(v4(2), 1));
    assert!(table.admit(IpAddr::V6(Ipv6Addr::from_bits(1)), 1));
}

#[test]
fn an_ipv6_network_is_one_source_and_its_neighbour_is_another() {
    let mut table = Strangers::new(7);
    let host = |network: u128, host: u128| {
        IpAddr::V6(Ipv6Addr::from_bits(
            0x2001_0db8 << 96 | network << 64 | host,
        ))
    };
    for n in 0..u128::from(STRANGER_BURST) {
        assert!(table.admit(host(1, n), 1));
    }
    assert!(!table.admit(host(1, 1 << 63), 1));
    assert!(table.admit(host(2, 0), 1));
}

#[test]
fn more_sources_than_places_are_admitted_and_the_busiest_is_not_forgotten() {
    let mut table = Strangers::new(7);
    let flooder = v4(0xc000_0201);
    admitted(&mut table, flooder, 50_000, 1);
    for n in 0..4 * MAX_STRANGERS as u32 {
        assert!(table.admit(v4(n), 1));
    }
    assert!(!table.admit(flooder, 1));
    assert_eq!(table.sets.iter().flatten().count(), MAX_STRANGERS);
}

#[test]
fn neighbouring_sources_spread_over_the_sets_whatever_the_seed() {
    for seed in [0, 1, 7, u64::MAX, 0x1234_5678_9abc_def0] {
        let mut used = std::collections::BTreeSet::new();
        for n in 0..SETS as u32 {
            used.insert(place(key(v4(0x0a00_0000 + n)), seed));
        }
        assert!(used.len() > SETS / 3, "seed {seed:x}: {} sets", used.len());
    }
}

#[test]
fn the_end_of_time_and_a_clock_that_goes_back_do_no_harm() {
    let mut table = Strangers::new(7);
    assert!(table.admit(v4(1), u64::MAX));
    let _ = table.admit(v4(1), u64::MAX);
    assert!(
        !table.admit(v4(1), 0),
        "its bucket was emptied in the future"
    );
    assert!(table.admit(v4(2), 0));
}

/// A bucket as one would draw it: tokens that come back with time, as nanoseconds.
#[derive(Clone, Copy)]
struct Model {
    level: u64,
    at: u64,
}

proptest! {
    /// As long as no set overflows, each source is treated as by a bucket of its own.
    #[test]
    fn each_source_has_a_bucket_of_its_own(
        seed: u64,
        steps in proptest::collection::vec((0_u32..4, 0_u64..20_000_000, 1_u64..400), 1..200),
    ) {
        let mut table = Strangers::new(seed);
        let mut models: BTreeMap<u32, Model> = BTreeMap::new();
        let mut now = 1;
        for (source, wait, count) in steps {
            now += wait;
            let model = models.entry(source).or_insert(Model { level: FILL_NS, at: now });
            model.level = FILL_NS.min(model.level + (now - model.at));
            model.at = now;
            for _ in 0..count {
                let expected = model.level >= TOKEN_NS;
                model.level -= if expected { TOKEN_NS } else { 0 };
                prop_assert_eq!(table.admit(v4(source), now), expected);
            }
        }
    }
}
