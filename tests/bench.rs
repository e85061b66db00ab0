//! `patchbay bench`: the generators place real load and report what a person and a program can read.

use crate::support;

use support::centre::PATCHBAY;
use support::process::{Folder, Running, alone};
use support::{CALL, have};

/// Runs a benchmark and gives what it showed and the JSON that it wrote.
fn bench(arguments: &[&str]) -> (String, serde_json::Value) {
    let folder = Folder::make();
    let json = folder.file("report.json");
    let mut command = alone(PATCHBAY);
    command
        .arg("bench")
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .env("HOME", folder.path());
    let mut bench = Running::start("bench", &mut command, &folder.file("bench.log"));
    let status = bench.wait(CALL);
    let shown = bench.log();
    assert!(status.success(), "{shown}");
    let report = std::fs::read_to_string(json).unwrap();
    (shown, serde_json::from_str(&report).unwrap())
}

/// What every line of a report on packets has.
fn is_a_run(run: &serde_json::Value, calls: u64) {
    assert_eq!(run["calls"], calls, "{run}");
    for figure in ["packets_per_s", "cpu_ns_per_packet"] {
        assert!(run[figure].as_f64().unwrap() > 0.0, "{figure}: {run}");
    }
    for quantile in ["p50", "p90", "p99", "p999"] {
        let micros = run["latency_us"][quantile].as_f64();
        assert!(micros.unwrap() > 0.0, "{quantile}: {run}");
    }
    for wrong in ["source", "content", "order"] {
        assert_eq!(run["wrong"][wrong], 0, "{run}");
    }
    assert!(run["loss"].as_f64().unwrap() < 0.5, "{run}");
}

// F6
#[test]
fn packets_are_counted_checked_and_timed() {
    let (shown, report) = bench(&["packets", "--calls", "10", "--seconds", "0.5", "--rtcp"]);
    for word in ["loss", "wrong packets", "latency", "CPU"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
    for fact in ["cpu", "kernel", "date", "bed", "generator"] {
        let fact = report["machine"][fact].as_str();
        assert!(fact.is_some_and(|fact| !fact.is_empty()), "{report}");
    }
    let [run] = report["runs"].as_array().unwrap().as_slice() else {
        panic!("{report}");
    };
    is_a_run(run, 10);
    assert_eq!(
        (&run["system"], &run["engine"], &run["load"]),
        (&"patchbay".into(), &"uring".into(), &"natural".into())
    );
    assert_eq!(run["allocations_per_packet"], 0.0, "{run}");
    assert!(run["sent"].as_u64().unwrap() > 100, "{run}");
    assert_eq!(report["ratios"], serde_json::json!([]));
}

// F6
#[test]
fn other_relays_run_beside_ours_and_are_compared() {
    if !have(&["rtpengine"]) {
        return;
    }
    let folder = Folder::make();
    let chart = folder.file("chart.svg");
    let (shown, report) = bench(&[
        "packets",
        "--against",
        "bare,rtpengine",
        "--calls",
        "4",
        "--reps",
        "1",
        "--seconds",
        "1",
        "--loads",
        "low",
        "--svg",
        chart.to_str().unwrap(),
    ]);
    let runs = report["runs"].as_array().unwrap();
    let systems: Vec<&str> = runs
        .iter()
        .filter_map(|run| run["system"].as_str())
        .collect();
    assert_eq!(systems, ["patchbay", "bare", "rtpengine"], "{shown}");
    for run in runs {
        is_a_run(run, 4);
        assert_eq!(run["load"], "low");
    }
    for (ratio, against) in report["ratios"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["bare", "rtpengine"])
    {
        assert_eq!(
            (&ratio["against"], &ratio["calls"]),
            (&against.into(), &4.into())
        );
        for figure in ["cpu", "rate", "p99"] {
            assert!(ratio[figure].as_f64().unwrap() > 0.0, "{ratio}");
        }
    }
    assert!(shown.contains("Ratios"), "{shown}");
    let picture = std::fs::read_to_string(chart).unwrap();
    assert!(
        picture.starts_with("<svg") && picture.contains("rtpengine"),
        "{picture}"
    );
}

// F6
#[test]
fn a_search_ends_with_a_rate_that_was_carried() {
    let (shown, report) = bench(&["packets", "--search", "--calls", "4", "--seconds", "0.2"]);
    assert!(shown.contains("Highest rates"), "{shown}");
    let highest = &report["highest"][0];
    assert!(highest["packets_per_s"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["runs"][0]["load"], "high", "{report}");
}

// A6 F6
#[test]
fn calls_go_through_a_centre_of_their_own_with_audio() {
    let (shown, report) = bench(&[
        "calls", "--calls", "10", "--rate", "10", "--hold", "500", "--media",
    ]);
    assert!(shown.contains("set-up"), "{shown}");
    assert_eq!(report["answered"], 10, "{report}");
    assert_eq!(report["failed"], 0, "{report}");
    assert!(
        report["cpu_us_per_call"].as_f64().unwrap() > 0.0,
        "{report}"
    );
    for heard_by in ["to_agents", "to_callers"] {
        assert_eq!(report["audio"][heard_by]["lost"], 0, "{report}");
    }
}

// F6
#[test]
fn calls_go_through_others_beside_ours_and_are_compared() {
    if !have(&["kamailio", "rtpengine"]) {
        return;
    }
    let (shown, report) = bench(&[
        "calls",
        "--against",
        "kamailio,forwarder",
        "--rates",
        "40",
        "--reps",
        "1",
        "--seconds",
        "0.5",
        "--hold",
        "50",
        "--standing",
        "100",
        "--no-search",
    ]);
    let runs = report["runs"].as_array().unwrap();
    let systems: Vec<&str> = runs
        .iter()
        .filter_map(|run| run["system"].as_str())
        .collect();
    assert_eq!(
        systems,
        ["patchbay", "kamailio", "forwarder", "direct"],
        "{shown}"
    );
    for run in runs {
        assert_eq!(run["failed"], 0, "{run}");
        assert!(run["calls_per_s"].as_f64().unwrap() > 0.0, "{run}");
        assert!(run["setup_ms"]["p99"].as_f64().unwrap() > 0.0, "{run}");
    }
    for run in runs.iter().take(2) {
        for figure in ["cpu_us_per_call", "bytes_per_call"] {
            assert!(run[figure].as_f64().unwrap() > 0.0, "{figure}: {run}");
        }
    }
    let ratios = report["ratios"].as_array().unwrap();
    for figure in ["cpu", "p99", "memory"] {
        let told = ratios.iter().any(|ratio| {
            ratio["against"] == "kamailio" && ratio[figure].as_f64().is_some_and(|x| x > 0.0)
        });
        assert!(told, "{figure}: {report}");
    }
    assert!(shown.contains("Ratios"), "{shown}");
}
