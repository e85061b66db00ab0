//! Programs that this project did not write. With `CI` set every one of them must be there.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian package of each program, for the message.
const PACKAGES: [(&str, &str); 12] = [
    ("sipp", "sip-tester"),
    ("rtpengine", "rtpengine-daemon"),
    ("kamailio", "kamailio"),
    ("baresip", "baresip-core"),
    ("tcpdump", "tcpdump"),
    ("systemd-analyze", "systemd"),
    ("faketime", "faketime"),
    ("ip", "iproute2"),
    ("chromium", "chromium"),
    ("npm", "npm"),
    ("node", "nodejs"),
    ("openssl", "openssl"),
];

/// Whether a test can run: every named program is there, and captures are allowed.
/// Outside of CI a missing one is said and the test is skipped; in CI it is a failure.
#[must_use]
pub fn have(programs: &[&str]) -> bool {
    let problems: Vec<String> = programs.iter().filter_map(|name| problem(name)).collect();
    if problems.is_empty() {
        return true;
    }
    let reason = problems.join("; ");
    assert!(!in_ci(), "nothing may be skipped in CI: {reason}");
    eprintln!("skipped: {reason}");
    false
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

fn problem(program: &str) -> Option<String> {
    if program == "kamailio's tls.so" {
        let missing = "kamailio has no TLS (apt-get install kamailio-tls-modules)";
        return kamailio_tls().is_none().then(|| missing.to_owned());
    }
    if find(program).is_none() {
        let package = PACKAGES.iter().find(|(name, _)| *name == program);
        let package = package.map_or(program, |(_, package)| package);
        return Some(format!(
            "{program} is not installed (apt-get install {package})"
        ));
    }
    match program {
        "tcpdump" if !may_capture() => {
            Some("tcpdump may not capture: run the tests as root".to_owned())
        }
        "ip" if !rustix::process::geteuid().is_root() => {
            Some("ip may not make networks: run the tests as root".to_owned())
        }
        _ => None,
    }
}

/// Full path of a program on PATH or in the system directories.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Lets the clocks of a process run so many times as fast (Debian: faketime).
pub fn hurry(command: &mut Command, times: Option<u32>) {
    if let Some(times) = times {
        command.env("LD_PRELOAD", faketime().expect("faketime"));
        command.env("FAKETIME", format!("+0 x{times}"));
    }
}

/// The module by which kamailio speaks TLS.
fn kamailio_tls() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
    ];
    let mut files = folders
        .map(|folder| Path::new(folder).join("kamailio/modules/tls.so"))
        .into_iter();
    files.find(|file| file.is_file())
}

/// The library by which faketime changes the clocks of a process.
fn faketime() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
    ];
    let mut files = folders.map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    files
        .iter_mut()
        .find(|file| file.is_file())
        .map(std::mem::take)
}

/// Opening a capture needs CAP_NET_RAW: bit 13 of the effective set.
fn may_capture() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    bits.is_some_and(|bits| bits & (1 << 13) != 0)
}
