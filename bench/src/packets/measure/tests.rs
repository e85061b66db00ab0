//! Whole measurements of a little relay, on both beds. Those on veth need root.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::packets::bed::{Addresses, BedOptions};
use crate::packets::tests::little::{Fate, Little, Rule};
use crate::packets::tests::needs;
use crate::packets::vocabulary::Wrong;

const LOAD: Load = Load {
    packets_per_s: 2000,
    duration: Duration::from_millis(300),
    burst: 1,
    payload_bytes: 160,
    ptime: Duration::from_millis(20),
};
/// Packets that have to leave at least; a machine that is busy otherwise leaves some out.
const LEAST: u64 = 100;

fn bed(loopback: bool, addresses: Addresses) -> Bed {
    let options = BedOptions {
        addresses,
        loopback,
        ..BedOptions::default()
    };
    let bed = Bed::build(&options).unwrap();
    assert_ne!(bed.is_veth(), loopback, "{}", bed.describe());
    bed
}

fn run(bed: &Bed, rule: Rule, calls: Calls, load: &Load, churn: Option<u32>) -> Run {
    let mut system = Little::new(bed, rule);
    let mut generator = bed.generator().unwrap();
    let mut last = Progress::default();
    let mut tell = |progress| last = progress;
    let run = measure(
        bed,
        &mut system,
        &mut *generator,
        calls,
        load,
        churn,
        &mut tell,
    )
    .unwrap();
    assert_eq!(last.calls, calls.calls);
    assert!(run.sent >= LEAST, "{run:?}");
    run
}

fn all_arrive(bed: &Bed, calls: Calls, load: &Load) {
    let run = run(bed, |_, _| Fate::Forwarded, calls, load, None);
    assert_eq!(
        (run.delivered, run.wrong, run.lost),
        (run.sent, Wrong::default(), BTreeMap::new())
    );
    assert!(run.latency_us.p50 > 1.0 && run.latency_us.p50 <= run.latency_us.max);
    assert!(run.cpu_ns_per_packet.unwrap() > 0.0 && run.cpu_parts.process > 0.0);
    assert_eq!(run.cpu_parts.napi > 0.0, bed.is_veth());
    assert_eq!((run.loss, run.calls), (0.0, calls.calls));
}

const AUDIO: Calls = Calls {
    calls: 20,
    video: false,
    rtcp: false,
};
const EVERYTHING: Calls = Calls {
    calls: 10,
    video: true,
    rtcp: true,
};

// F6
#[test]
fn packets_of_all_kinds_arrive_whole_on_loopback() {
    let bed = bed(true, Addresses::V4);
    all_arrive(&bed, AUDIO, &LOAD);
    all_arrive(&bed, EVERYTHING, &LOAD);
}

// F6
#[test]
fn packets_of_all_kinds_arrive_whole_on_veth() {
    if !needs::root() {
        return;
    }
    let bed = bed(false, Addresses::V4);
    all_arrive(&bed, AUDIO, &LOAD);
    all_arrive(&bed, EVERYTHING, &LOAD);
}

#[test]
fn ipv6_and_both_families_work_on_veth() {
    if !needs::root() {
        return;
    }
    let odd = Load {
        burst: 16,
        payload_bytes: 83,
        ..LOAD
    };
    all_arrive(&bed(false, Addresses::V6), EVERYTHING, &odd);
    all_arrive(&bed(false, Addresses::V4ToV6), EVERYTHING, &odd);
}

/// The first packets pass, so that all ways are open; after that 1 in 4 does not.
fn some(number: u64, fate: Fate) -> Fate {
    if number >= 40 && number.is_multiple_of(4) {
        fate
    } else {
        Fate::Forwarded
    }
}

fn harm_is_counted(loopback: bool) {
    let bed = bed(loopback, Addresses::V4);
    let run = |rule| run(&bed, rule, AUDIO, &LOAD, None);
    let dropped = run(|number, _| some(number, Fate::Dropped));
    assert!(dropped.loss > 0.2 && dropped.loss < 0.3, "{dropped:?}");
    assert_eq!(dropped.wrong.total(), 0);
    assert_eq!(dropped.lost["elsewhere"], dropped.sent - dropped.delivered);
    let doubled = run(|number, _| some(number, Fate::Doubled));
    assert_eq!(doubled.delivered, doubled.sent);
    assert!(doubled.wrong.order >= doubled.sent / 5, "{doubled:?}");
    let strayed = run(|number, _| some(number, Fate::Strayed));
    assert_eq!(strayed.wrong.source, strayed.sent - strayed.delivered);
    assert!(strayed.wrong.source > 0);
    let returned = run(|number, _| some(number, Fate::Returned));
    assert_eq!(returned.wrong.source, returned.sent - returned.delivered);
    for rule in [
        |number, _: &[u8]| some(number, Fate::Changed(2)),
        |number, _: &[u8]| some(number, Fate::Changed(12)),
        |number, _: &[u8]| some(number, Fate::Changed(171)),
    ] {
        let changed = run(rule);
        assert_eq!(changed.wrong.content, changed.sent - changed.delivered);
        assert!(changed.wrong.content > 0);
    }
}

#[test]
fn every_harm_to_packets_is_counted_on_loopback() {
    harm_is_counted(true);
}

#[test]
fn every_harm_to_packets_is_counted_on_veth() {
    if needs::root() {
        harm_is_counted(false);
    }
}

fn silence_is_found_out(loopback: bool) {
    let bed = bed(loopback, Addresses::V4);
    let mut system = Little::new(&bed, |_, _| Fate::Dropped);
    let mut generator = bed.generator().unwrap();
    let calls = Calls { calls: 1, ..AUDIO };
    let opened = Session::open(&bed, &mut system, &mut *generator, calls, &mut |_| ());
    let outcome = opened.map(|_| ());
    assert!(
        matches!(outcome, Err(BenchError::NotOpen { open: 0, flows: 2 })),
        "{outcome:?}"
    );
}

#[test]
fn a_relay_that_passes_nothing_is_found_out_on_loopback() {
    silence_is_found_out(true);
}

#[test]
fn a_relay_that_passes_nothing_is_found_out_on_veth() {
    if needs::root() {
        silence_is_found_out(false);
    }
}

#[test]
fn calls_come_and_go_beside_the_load() {
    let bed = bed(true, Addresses::V4);
    let run = run(&bed, |_, _| Fate::Forwarded, AUDIO, &LOAD, Some(50));
    assert_eq!(run.churned, Some(SPARE_CALLS as u64));
    assert_eq!(run.delivered, run.sent);
    let calm = run.without_churn.unwrap();
    assert!(calm.loss == 0.0 && calm.p99_us > 0.0, "{calm:?}");
}

#[test]
fn media_of_calls_that_come_and_go_are_counted_by_themselves() {
    if !needs::root() {
        return;
    }
    let bed = bed(false, Addresses::V4);
    let run = run(&bed, |_, _| Fate::Forwarded, AUDIO, &LOAD, Some(50));
    let guests = run.guests.unwrap();
    assert!(guests.sent > 0, "{run:?}");
    assert_eq!((guests.delivered, guests.overtaken), (guests.sent, 0));
    assert_eq!((run.delivered, run.wrong), (run.sent, Wrong::default()));
}

#[test]
fn too_many_calls_are_refused() {
    let bed = bed(true, Addresses::V4);
    let mut system = Little::new(&bed, |_, _| Fate::Forwarded);
    let mut generator = bed.generator().unwrap();
    for calls in [0, MAX_CALLS + 1] {
        let calls = Calls { calls, ..AUDIO };
        let opened = Session::open(&bed, &mut system, &mut *generator, calls, &mut |_| ());
        assert!(matches!(opened.map(|_| ()), Err(BenchError::Args(_))));
    }
}
