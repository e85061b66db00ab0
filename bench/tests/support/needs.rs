//! What a test needs of the machine. Outside of CI a lack is said and the test is skipped; in CI,
//! where `CI` is set, it is a failure: a test that passes without having run proves nothing.

// Each program with tests uses a part of it.
#![allow(dead_code)]

use std::process::Command;

/// Whether it can run: `lack` says what is missing if it is not `there`.
#[must_use]
pub fn have(there: bool, lack: &str) -> bool {
    if !there {
        let ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
        assert!(!ci, "nothing may be skipped in CI: {lack}");
        eprintln!("skipped: {lack}");
    }
    there
}

/// Whether the test may make network namespaces and load BPF programs.
#[must_use]
pub fn root() -> bool {
    have(
        rustix::process::geteuid().is_root(),
        "network namespaces and BPF programs need root",
    )
}

/// What a program of a Debian package says, if it is there.
#[must_use]
pub fn program(name: &str, argument: &str, package: &str) -> Option<String> {
    let said = Command::new(name).arg(argument).output().ok();
    let lack = format!("{name} is missing (apt-get install {package})");
    let said = said.filter(|said| said.status.success());
    have(said.is_some(), &lack)
        .then_some(said)
        .flatten()
        .map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
