//! `patchbay bench`: the generators place real load and report what a person and a program can read.

use crate::support;

use std::process::Command;

use support::CALL;
use support::centre::PATCHBAY;
use support::process::{Folder, Running};

/// Runs a benchmark and gives what it showed and the JSON that it wrote.
fn bench(arguments: &[&str]) -> (String, serde_json::Value) {
    let folder = Folder::make();
    let json = folder.file("report.json");
    let mut command = Command::new(PATCHBAY);
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

// F6
#[test]
fn packets_are_counted_checked_and_timed() {
    let (shown, report) = bench(&["packets", "--calls", "20", "--seconds", "1"]);
    assert!(shown.contains("loss"), "{shown}");
    assert_eq!(report["calls"], 20);
    assert!(report["sent"].as_u64().unwrap() > 1000, "{report}");
    assert!(
        report["latency_us"]["p99"].as_f64().unwrap() > 0.0,
        "{report}"
    );
    for wrong in ["source", "content", "order"] {
        assert_eq!(report["wrong"][wrong], 0, "{report}");
    }
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
