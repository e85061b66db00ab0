//! Which way media take, and why not a better one.

use std::fmt;

use super::steering::NotSteered;
use super::xdp::Mode;

/// Which way media take through an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaPath {
    /// Each port has a socket; why, if that was not asked for.
    PerPort {
        /// What stands in the way of steered ports.
        why: Option<String>,
    },
    /// All ports are steered to one socket of each packet thread.
    Steered,
    /// The same, and settled flows are sent on at devices.
    AtDevices {
        /// The devices.
        devices: Vec<String>,
        /// How the program runs there.
        mode: Mode,
    },
}

impl MediaPath {
    /// Why ports are not steered, in one line: a refused program has pages to say.
    pub(super) fn per_port(why: &NotSteered) -> MediaPath {
        let text = why.to_string();
        let line = text.lines().next().unwrap_or_default();
        MediaPath::PerPort {
            why: Some(line.to_owned()),
        }
    }
}

impl fmt::Display for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MediaPath::PerPort { why: None } => f.write_str("a socket for each port"),
            MediaPath::PerPort { why: Some(why) } => {
                write!(
                    f,
                    "a socket for each port, because they cannot be steered: {why}"
                )
            }
            MediaPath::Steered => f.write_str("ports steered to one socket of each packet thread"),
            MediaPath::AtDevices { devices, mode } => {
                let devices = devices.join(", ");
                write!(f, "settled flows at {devices} ({mode}), the rest steered")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_told_in_one_line() {
        let why = NotSteered::Taken;
        let per_port = MediaPath::per_port(&why).to_string();
        assert!(per_port.starts_with("a socket for each port, because"));
        assert!(per_port.contains("another relay"));
        let devices = vec!["eth0".to_owned(), "eth1".to_owned()];
        let paths = [
            (MediaPath::PerPort { why: None }, "a socket for each port"),
            (
                MediaPath::Steered,
                "ports steered to one socket of each packet thread",
            ),
            (
                MediaPath::AtDevices {
                    devices,
                    mode: Mode::Native,
                },
                "settled flows at eth0, eth1 (native), the rest steered",
            ),
        ];
        for (path, text) in paths {
            assert_eq!(path.to_string(), text);
        }
    }
}
