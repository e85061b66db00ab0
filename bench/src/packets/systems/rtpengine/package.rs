//! The program: found, or installed from Debian's package.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::packets::BenchError;

/// The program.
pub(super) const PROGRAM: &str = "rtpengine";
/// The package that it comes in.
const PACKAGE: &str = "rtpengine-daemon";

/// Its version; installs it if it is missing.
///
/// # Errors
/// [`BenchError::Relay`] says what is missing and how to get it.
pub(super) fn version() -> Result<String, BenchError> {
    let output = match ask() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            install()?;
            ask()
        }
        outcome => outcome,
    };
    let output = output.map_err(BenchError::system("rtpengine --version"))?;
    parse(&output)
        .ok_or_else(|| BenchError::Relay(format!("rtpengine --version says {:?}", output.trim())))
}

/// What `rtpengine --version` says.
fn ask() -> io::Result<String> {
    let output = Command::new(PROGRAM)
        .arg("--version")
        .stdin(Stdio::null())
        .output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn parse(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let version = lines.find_map(|line| line.strip_prefix("Version: "))?;
    version.split_whitespace().next().map(str::to_owned)
}

fn install() -> Result<(), BenchError> {
    let missing = |why: &str| {
        BenchError::Relay(format!(
            "rtpengine is missing, and {why}: have an administrator run \
             apt-get install --no-install-recommends {PACKAGE}"
        ))
    };
    if !rustix::process::geteuid().is_root() {
        return Err(missing("only root may install it"));
    }
    eprintln!("Installing Debian package: {PACKAGE}");
    let install = [
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        PACKAGE,
    ];
    // The lists of a fresh machine are empty or old; fetch them only when needed.
    let installed = apt(&install) || (apt(&["update", "--quiet"]) && apt(&install));
    if !installed {
        return Err(missing("apt-get could not install it"));
    }
    if Path::new("/run/systemd/system").exists() {
        // It was installed to be measured, not to serve: what cannot be stopped only wastes
        // memory.
        let mut systemctl = Command::new("systemctl");
        systemctl.args(["disable", "--now", "--quiet", "rtpengine-daemon.service"]);
        let _ = quiet(&mut systemctl);
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> bool {
    let mut apt = Command::new("apt-get");
    apt.args(["-o", "DPkg::Lock::Timeout=60"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    quiet(&mut apt)
}

/// Runs it without a word; whether it succeeded.
fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found() {
        let said = "Version: 10.5.3.5-1+deb12u1\n";
        assert_eq!(parse(said).as_deref(), Some("10.5.3.5-1+deb12u1"));
        assert_eq!(parse("rtpengine: error\n"), None);
        assert_eq!(parse("Version: \n"), None);
    }
}
