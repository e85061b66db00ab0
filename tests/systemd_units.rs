//! What `make install` puts in place: units that systemd accepts and calls well protected.

#![allow(clippy::expect_used, clippy::panic)]

use crate::support;

use std::path::Path;
use std::process::{Command, Output};

use support::centre::PATCHBAY;
use support::have;
use support::process::Folder;

const UNITS: [&str; 2] = ["patchbay-control.service", "patchbay-relay.service"];
/// systemd calls exposures below 5.0 `OK`; ours is far better, and shall stay so.
const MOST_EXPOSURE: f64 = 2.5;

/// Installs into a folder; the units name the binary in it.
fn install() -> Folder {
    let folder = Folder::make();
    let at = |name: &str| folder.file(name).to_string_lossy().into_owned();
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/install"))
        .args(["", &at("usr"), &at("units"), &at("etc")])
        .env("PATCHBAY_BINARY", PATCHBAY)
        .output()
        .expect("scripts/install");
    assert!(output.status.success(), "{}", shown(&output));
    folder
}

fn shown(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(&[out.as_slice(), err].concat()).into_owned()
}

fn analyze(arguments: &[&str], unit: &Path) -> String {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output()
        .expect("systemd-analyze");
    assert!(output.status.success(), "{}", shown(&output));
    shown(&output)
}

// F4
#[test]
fn systemd_accepts_the_units() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let folder = install();
    for unit in UNITS {
        let file = folder.file("units").join(unit);
        let complaints = analyze(&["verify", "--man=no", "--recursive-errors=no"], &file);
        assert_eq!(complaints.trim(), "", "{unit}");
        let text = std::fs::read_to_string(&file).expect("a unit");
        assert!(!text.contains('@') || !text.contains("@BINDIR@"), "{text}");
        assert!(text.contains("Type=notify"));
    }
}

// F4
#[test]
fn the_units_are_well_protected() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let folder = install();
    for unit in UNITS {
        let file = folder.file("units").join(unit);
        let report = analyze(&["security", "--offline=true", "--no-pager"], &file);
        let verdict = report
            .lines()
            .find(|line| line.contains("Overall exposure level"))
            .unwrap_or_else(|| panic!("no verdict: {report}"));
        let exposure: f64 = verdict
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no number: {verdict}"));
        assert!(exposure <= MOST_EXPOSURE, "{verdict}");
        assert!(verdict.contains("OK"), "{verdict}");
    }
}

// F1 F4
#[test]
fn systemd_accepts_the_privileges_for_steered_ports_and_for_devices() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    for example in ["steered.conf", "xdp.conf"] {
        let folder = install();
        let read = |file: &Path| std::fs::read_to_string(file).expect("an installed file");
        let unit = folder.file("units").join("patchbay-relay.service");
        let added = read(&folder.file("etc").join("examples").join(example));
        // Sections may come again, as they do in a drop-in.
        std::fs::write(&unit, read(&unit) + &added).expect("a unit");
        let complaints = analyze(&["verify", "--man=no", "--recursive-errors=no"], &unit);
        assert_eq!(complaints.trim(), "", "{example}");
        let report = analyze(&["security", "--offline=true", "--no-pager"], &unit);
        assert!(report.contains("OK"), "{example}: {report}");
    }
}

// F1 F4
#[test]
fn the_relay_unit_leaves_io_uring_to_the_packet_engine() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let folder = install();
    let unit = folder.file("units").join("patchbay-relay.service");
    let text = std::fs::read_to_string(unit).expect("a unit");
    let allowed = text.lines().any(|line| {
        line.starts_with("SystemCallFilter=@")
            && ["io_uring_setup", "io_uring_enter", "io_uring_register"]
                .iter()
                .all(|call| line.contains(call))
    });
    assert!(allowed, "{text}");
}

// F4
#[test]
fn the_user_the_folders_and_the_examples_are_installed() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let folder = install();
    let root = folder.file("root");
    std::fs::create_dir_all(root.join("etc")).expect("a root");
    let users = folder.file("usr/lib/sysusers.d/patchbay.conf");
    let output = Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.display()))
        .arg(users)
        .output()
        .expect("systemd-sysusers");
    assert!(output.status.success(), "{}", shown(&output));
    let passwd = std::fs::read_to_string(root.join("etc/passwd")).expect("users");
    assert!(passwd.contains("patchbay:"), "{passwd}");

    assert!(folder.file("usr/lib/tmpfiles.d/patchbay.conf").is_file());
    for example in ["relay.toml", "control.toml", "patchbay.toml", "centre.toml"] {
        assert!(
            folder.file("etc/examples").join(example).is_file(),
            "{example}"
        );
    }
    let version = Command::new(folder.file("usr/bin/patchbay"))
        .arg("--version")
        .output()
        .expect("the installed binary");
    assert!(
        shown(&version).starts_with("patchbay "),
        "{}",
        shown(&version)
    );
}
