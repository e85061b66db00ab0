//! Reports of runs that a formula made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::packets::measure::{CpuParts, Run};
use crate::packets::plan::{Contender, Estimate, LoadName, Runner, Traffic, Wanted, Watcher};
use crate::packets::vocabulary::SystemKind;
use crate::packets::{BenchError, Latency, Progress};

/// Relays that differ by a factor, with repetitions that differ a little.
struct Formula {
    wrong: u64,
    made: u64,
    /// Calls that each relay has room for.
    room: fn(SystemKind) -> usize,
}

impl Runner for Formula {
    fn run(&mut self, wanted: &Wanted, _: &mut dyn FnMut(Progress)) -> Result<Run, BenchError> {
        self.made += 1;
        let calls = wanted.calls;
        if calls > (self.room)(wanted.contender.kind) {
            let limit = "it needs 81280 open files: raise RLIMIT_NOFILE (ulimit -n)".to_owned();
            return Err(BenchError::NoRoom { calls, limit });
        }
        let (factor, version, engine) = match wanted.contender.kind {
            SystemKind::Patchbay => (1.0, "patchbay 0.1.0", "uring"),
            SystemKind::Rtpengine => (2.0, "rtpengine 10.5.3.5", "userspace"),
            SystemKind::Bare => (1.2, "bare", "epoll"),
            SystemKind::Wire => (0.04, "wire", "xdp tx"),
        };
        let wobble = 1.0 + (self.made * 7 % 11) as f64 / 200.0;
        let offered = wanted.packets_per_s as f64;
        let delivered = offered.min(190_000.0 / factor);
        let count = |rate: f64| (rate * wanted.seconds) as u64;
        let mut run = Run {
            system: version.to_owned(),
            engine: engine.to_owned(),
            generator: "formula".to_owned(),
            calls,
            payload_bytes: 160,
            offered_packets_per_s: offered,
            seconds: wanted.seconds,
            sent: count(offered),
            delivered: count(delivered),
            packets_per_s: delivered,
            loss: 1.0 - delivered / offered,
            cpu_ns_per_packet: Some(5000.0 * factor * wobble + calls as f64 / 50.0),
            cpu_parts: CpuParts {
                process: 3000.0 * factor * wobble,
                napi: 2000.0 * factor * wobble,
                ksoftirqd: 0.0,
            },
            relay_cores_busy: Some(0.5),
            latency_us: Latency {
                p50: 60.0 * factor,
                p90: 80.0 * factor,
                p99: 100.0 * factor.powi(3) * wobble,
                p999: 2000.0,
                max: 5000.0,
            },
            allocations_per_packet: Some(0.0),
            bytes_per_call: Some((8900.0 * factor.powi(3)) as u64),
            kernel_bytes_per_call: Some(4096),
            remarks: vec!["the machine was busy".to_owned()],
            ..Run::default()
        };
        run.wrong.order = self.wrong;
        run.lost.insert("before the relay".to_owned(), 12);
        Ok(run)
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn begins(&mut self, _: &Wanted, _: Estimate) {}
    fn far(&mut self, _: Progress) {}
    fn tried(&mut self, _: &Figures) {}
    fn over(&mut self, figures: &Figures) {
        assert!(run_line(figures, Paint::plain()).contains("ns/packet"));
    }
    fn found(&mut self, _: &Highest) {}
    fn says(&mut self, _: &str) {}
}

fn reported(mode: Mode, calls: &[usize], reps: usize, wrong: u64) -> Report {
    let runner = Formula {
        wrong,
        made: 0,
        room: |_| usize::MAX,
    };
    reported_by(runner, mode, calls, reps)
}

fn reported_by(mut runner: Formula, mode: Mode, calls: &[usize], reps: usize) -> Report {
    let kinds = [
        SystemKind::Patchbay,
        SystemKind::Rtpengine,
        SystemKind::Bare,
    ];
    let engine = |kind| {
        if kind == SystemKind::Patchbay {
            "uring"
        } else {
            ""
        }
    };
    let plan = Plan {
        mode,
        contenders: kinds
            .map(|kind| Contender::new(kind, engine(kind)))
            .to_vec(),
        calls: calls.to_vec(),
        traffic: Traffic::default(),
        seconds: 3.0,
        reps,
    };
    let outcome = plan.carry_out(&mut runner, &mut Nobody).unwrap();
    let machine = Machine::read("a formula".to_owned(), "bench packets".to_owned());
    Report::new(&plan, machine, &outcome)
}

fn usual_loads() -> Mode {
    Mode::Against(vec![
        LoadName::Low,
        LoadName::Equal,
        LoadName::Share(70),
        LoadName::High,
    ])
}

fn against() -> Report {
    reported(usual_loads(), &[500, 2000, 20_000], 5, 0)
}

/// With 20,000 calls, for which only these have room.
fn without_room(room: fn(SystemKind) -> usize) -> Report {
    let runner = Formula {
        wrong: 0,
        made: 0,
        room,
    };
    reported_by(runner, usual_loads(), &[500, 20_000], 2)
}

/// The picture is kept where somebody who works on it wants to look at it.
fn keep(name: &str, report: &Report) -> String {
    if let Some(folder) = std::env::var_os("PATCHBAY_CHARTS") {
        report.write_svg(&Path::new(&folder).join(name)).unwrap();
    }
    report.svg()
}

fn of_part(parts: &Value, name: &str) -> f64 {
    parts[name].as_f64().unwrap()
}

#[test]
fn programs_find_runs_and_ratios() {
    let report = against();
    let json = serde_json::to_value(&report).unwrap();
    for field in [
        "cpu",
        "cores",
        "kernel",
        "date",
        "bed",
        "generator",
        "versions",
    ] {
        assert!(!json["machine"][field].is_null(), "{field}");
    }
    assert_eq!(
        json["machine"]["versions"]["rtpengine"],
        "rtpengine 10.5.3.5"
    );
    let runs = json["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3 * 4 * 3);
    let high = |run: &&Value| run["system"] == "rtpengine" && run["load"] == "high";
    let run = runs.iter().find(high).unwrap();
    assert_eq!(
        (&run["engine"], &run["calls"]),
        (&"userspace".into(), &500.into())
    );
    for field in [
        "packets_per_s",
        "loss",
        "cpu_ns_per_packet",
        "allocations_per_packet",
        "bytes_per_call",
    ] {
        assert!(run[field].is_number(), "{field}: {run}");
    }
    for quantile in ["p50", "p90", "p99", "p999"] {
        assert!(run["latency_us"][quantile].is_number(), "{run}");
    }
    let parts = &run["cpu_parts"];
    assert!((1.45..1.55).contains(&(of_part(parts, "process") / of_part(parts, "napi"))));
    assert!(of_part(parts, "process") >= 6000.0, "{parts}");
    assert_eq!(parts["ksoftirqd"], 0.0, "{parts}");
    let ratios = json["ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 2 * 4 * 3);
    let of = |r: &&Value| r["against"] == "rtpengine" && r["load"] == "70%";
    let ratio = ratios.iter().find(of).unwrap();
    assert_eq!(
        (&ratio["engine"], &ratio["calls"]),
        (&"uring".into(), &500.into())
    );
    for field in ["cpu", "rate", "p99"] {
        assert!(ratio[field].as_f64().unwrap() > 1.5, "{ratio}");
    }
    let repetitions = json["repetitions"].as_array().unwrap();
    assert_eq!(repetitions.len(), 3 * 4 * 3 * 5);
    assert_eq!(repetitions[0]["system"], "patchbay");
}

#[test]
fn people_read_tables_with_verdicts_in_words() {
    let report = against();
    let text = report.text(Paint::plain());
    for part in [
        "a formula; formula",
        "rtpengine 10.5.3.5",
        "Highest rates with at most 0.1 % loss",
        "uring → rtpengine",
        "times less CPU",
        "times the rate",
        "times lower p99",
        "the machine was busy so or alike in 36 of 36 rows",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest.unwrap() <= 150, "{widest:?}\n{text}");
    assert!(report.is_sound());
}

#[test]
fn few_runs_are_shown_in_full() {
    let mut report = reported(Mode::Fixed(Some(250_000)), &[10], 2, 3);
    report.shape = Shape::Detailed;
    let text = report.text(Paint::plain());
    for part in [
        "before the relay 24",
        "order 6",
        "p50 / p90 / p99 / p99.9",
        "0 a packet",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(
        !report.is_sound() && text.contains("came out wrong"),
        "{text}"
    );
    keep("fixed.svg", &report);
}

#[test]
fn the_picture_has_axes_units_a_legend_and_nothing_from_elsewhere() {
    let picture = keep("against.svg", &against());
    for part in [
        "Patchbay beside rtpengine and bare",
        "CPU time for a packet at each one",
        "Highest rate with at most 0.1 % loss",
        "packets a second",
        "20 000 calls",
        "rtpengine 10.5.3.5 (userspace)",
        "Memory for a call",
        "medians of 5 repetitions",
    ] {
        assert!(picture.contains(part), "{part}");
    }
    assert!(!picture.contains("href") && !picture.contains("NaN") && !picture.contains("inf\""));
    let opened = picture.matches("<text").count();
    assert_eq!(opened, picture.matches("</text>").count());
}

#[test]
fn a_sweep_is_drawn_as_lines_and_growth_is_said() {
    let calls = [100, 500, 2000, 5000, 10_000, 20_000];
    let report = reported(Mode::Sweep(None, 70), &calls, 3, 0);
    let picture = keep("sweep.svg", &report);
    assert!(picture.contains("<polyline") && picture.contains("grows with calls"));
    assert_eq!(report.growth.len(), 3);
    let text = report.text(Paint::plain());
    assert!(text.contains("from 100 to 20 000 calls"), "{text}");
}

#[test]
fn a_search_is_drawn_too() {
    let report = reported(Mode::Search, &[500, 2000], 1, 0);
    let picture = keep("search.svg", &report);
    assert!(picture.contains("Highest rate") && picture.contains("Each value is one run"));
    assert_eq!(report.highest.len(), 6);
}

#[test]
fn peers_without_room_are_listed_everywhere_and_have_no_ratio() {
    let report = without_room(|kind| match kind {
        SystemKind::Patchbay => usize::MAX,
        SystemKind::Rtpengine | SystemKind::Bare | SystemKind::Wire => 4000,
    });
    let why = "no room for 20 000 calls: it needs 81280 open files: \
               raise RLIMIT_NOFILE (ulimit -n)";
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["no_room"],
        serde_json::json!([
            {"system": "rtpengine", "engine": "", "calls": 20_000, "why": why},
            {"system": "bare", "engine": "", "calls": 20_000, "why": why},
        ])
    );
    let with_many = |list: &str| {
        let mut all = json[list].as_array().unwrap().clone();
        all.retain(|one| one["calls"] == 20_000);
        all.into_iter().map(|one| one["system"].clone())
    };
    assert_eq!(with_many("ratios").count(), 0);
    assert_eq!(with_many("runs").collect::<Vec<_>>(), ["patchbay"; 4]);
    assert_eq!(json["failures"], serde_json::json!([]));
    let text = report.text(Paint::plain());
    for peer in ["rtpengine", "bare"] {
        assert!(text.contains(&format!("  {peer}: {why}\n")), "{text}");
        let note = format!("  20 000 calls: no ratios against {peer}, which has no room\n");
        assert!(text.contains(&note), "{text}");
    }
    let picture = keep("no-room.svg", &report);
    assert!(picture.contains(&format!("rtpengine: {why}")), "{picture}");
    // Two peers are missing in each diagram.
    let words = picture.matches(">no room<").count();
    assert_eq!(words, 2 * picture.matches("is better").count(), "{picture}");
    assert!(report.is_sound(), "it is no failure of anybody");
}

#[test]
fn calls_that_ours_has_no_room_for_are_a_failure() {
    let report = without_room(|kind| match kind {
        SystemKind::Patchbay => 4000,
        SystemKind::Rtpengine | SystemKind::Bare | SystemKind::Wire => usize::MAX,
    });
    let text = report.text(Paint::plain());
    let note = "  20 000 calls: no ratios, patchbay uring has no room\n";
    assert!(text.contains(note), "{text}");
    assert!(
        text.contains("patchbay uring: no room for 20 000 calls: "),
        "{text}"
    );
    assert!(!report.is_sound());
}
