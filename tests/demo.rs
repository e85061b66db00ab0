//! `patchbay demo`: a whole centre on loopback, and a verdict.

use crate::support;

use support::CALL;
use support::centre::PATCHBAY;
use support::process::{Folder, Running, alone};

// A6 B7 F6 G8
#[test]
fn the_demo_places_real_calls_and_reports_no_loss() {
    let folder = Folder::make();
    let mut command = alone(PATCHBAY);
    command
        .args(["demo", "--calls", "5"])
        .env("HOME", folder.path());
    let mut demo = Running::start("demo", &mut command, &folder.file("demo.log"));
    let status = demo.wait(CALL);
    let shown = demo.log();
    assert!(status.success(), "{shown}");
    for word in ["offered", "answered", "p50", "p99", "loss"] {
        assert!(shown.to_lowercase().contains(word), "{word} in:\n{shown}");
    }
}
