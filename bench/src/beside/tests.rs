#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::dialler::Again;
use crate::packets::report::Machine;
use crate::report::{Paint, Quantiles};

fn run(system: SystemKind, rep: usize, cpu: f64, p99: f64) -> Run {
    Run {
        system,
        version: system.name().to_owned(),
        rep,
        wanted_calls_per_s: 300.0,
        calls_per_s: 299.0,
        offered: 1000,
        failed: 0,
        failures: BTreeMap::new(),
        again: Again::default(),
        cpu_us_per_call: cpu,
        setup_ms: Quantiles {
            p50: p99 / 4.0,
            p99,
            max: p99 * 2.0,
            count: 900,
        },
        peak: 150,
        dialler_load: 0.1,
        others: 0.0,
        latest_ms: 0.1,
        remarks: Vec::new(),
    }
}

fn foot(system: SystemKind, rep: usize, bytes: f64) -> Footprint {
    Footprint {
        system,
        rep,
        calls: 100,
        failed: 0,
        failures: BTreeMap::new(),
        bytes_per_call: bytes,
        process_bytes_per_call: bytes,
        kernel_bytes_per_call: None,
        sockets_per_call: 4.0,
        idle_bytes: 1 << 20,
    }
}

fn highest(system: SystemKind, rep: usize, rate: f64) -> Highest {
    Highest {
        system,
        rep,
        calls_per_s: Some(rate),
        dialler_limited: false,
    }
}

fn plan() -> Plan {
    Plan {
        systems: vec![SystemKind::Patchbay, SystemKind::Kamailio],
        rates: vec![300.0],
        reps: 2,
        window: Duration::from_secs(1),
        hold: Duration::from_millis(100),
        bound: Duration::from_millis(200),
        standing: 100,
        search: true,
    }
}

/// Two repetitions; the second one ran on a machine that was twice as slow.
fn outcome() -> Outcome {
    let mut outcome = Outcome::default();
    for (rep, slow) in [(0, 1.0), (1, 2.0)] {
        outcome.runs.extend([
            run(SystemKind::Patchbay, rep, 100.0 * slow, 2.0 * slow),
            run(SystemKind::Kamailio, rep, 600.0 * slow, 6.0 * slow),
            run(SystemKind::Direct, rep, 0.0, 0.2),
        ]);
        outcome.footprints.extend([
            foot(SystemKind::Patchbay, rep, 10_000.0),
            foot(SystemKind::Kamailio, rep, 60_000.0),
        ]);
        outcome.highest.extend([
            highest(SystemKind::Patchbay, rep, 3900.0 / slow),
            highest(SystemKind::Kamailio, rep, 1300.0 / slow),
        ]);
    }
    outcome
}

#[test]
fn a_slow_minute_hits_both_and_the_ratio_stays() {
    let report = Report::new(&plan(), Machine::default(), outcome());
    let [at_rate, without] = report.ratios.as_slice() else {
        panic!("{:?}", report.ratios);
    };
    assert_eq!((at_rate.cpu, at_rate.p99), (Some(6.0), Some(3.0)));
    assert_eq!((without.rate, without.memory), (Some(3.0), Some(6.0)));
    assert!(report.is_sound());
}

#[test]
fn rows_are_medians_and_tell_what_was_added() {
    let report = Report::new(&plan(), Machine::default(), outcome());
    let systems: Vec<SystemKind> = report.runs.iter().map(|row| row.system).collect();
    let [patchbay, kamailio, direct] = report.runs.as_slice() else {
        panic!("{systems:?}");
    };
    assert_eq!(patchbay.cpu_us_per_call, 150.0);
    assert_eq!(patchbay.cpu_spread_us, [100.0, 200.0]);
    assert_eq!(kamailio.bytes_per_call, Some(60_000.0));
    let added = kamailio.added_setup_ms.unwrap();
    assert!((added.p99 - 8.8).abs() < 1e-9, "{added:?}");
    assert_eq!(direct.added_setup_ms, None);
}

#[test]
fn the_json_has_the_names_that_programs_know() {
    let report = Report::new(&plan(), Machine::default(), outcome());
    let json = serde_json::to_value(&report).unwrap();
    let row = &json["runs"][0];
    assert_eq!(row["system"], "patchbay");
    for name in [
        "calls_per_s",
        "cpu_us_per_call",
        "setup_ms",
        "bytes_per_call",
        "failed",
    ] {
        assert!(!row[name].is_null(), "{name}: {row}");
    }
    for name in ["cpu", "rate", "p99", "memory"] {
        let named = |ratio: &serde_json::Value| ratio[name].as_f64().is_some();
        assert!(
            json["ratios"].as_array().unwrap().iter().any(named),
            "{name}"
        );
    }
    assert_eq!(json["ratios"][0]["against"], "kamailio");
}

#[test]
fn the_text_has_all_tables() {
    let text = Report::new(&plan(), Machine::default(), outcome()).text(Paint::plain());
    for word in [
        "Fixed rates",
        "Highest clean rates",
        "Standing calls",
        "Ratios",
        "selects",
    ] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
}

#[test]
fn a_run_is_clean_within_its_bound_only() {
    let bound = Duration::from_millis(200);
    let mut run = run(SystemKind::Patchbay, 0, 1.0, 50.0);
    assert!(run.is_clean(bound));
    run.setup_ms.max = 201.0;
    assert!(!run.is_clean(bound));
    run.setup_ms.max = 1.0;
    run.failed = 1;
    assert!(!run.is_clean(bound));
    run.failed = 0;
    run.calls_per_s = 250.0;
    assert!(!run.is_clean(bound) && !run.kept_up());
}

#[test]
fn plans_out_of_range_are_refused() {
    let wrong: [fn(&mut Plan); 5] = [
        |plan| plan.rates = vec![0.0],
        |plan| plan.rates = vec![f64::NAN],
        |plan| plan.reps = 0,
        |plan| plan.window = Duration::ZERO,
        |plan| plan.hold = Duration::from_secs(61),
    ];
    assert!(plan().check().is_ok());
    for wrong in wrong {
        let mut plan = plan();
        wrong(&mut plan);
        assert!(plan.check().is_err(), "{plan:?}");
    }
}
