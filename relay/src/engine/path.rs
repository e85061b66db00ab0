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
    /// All ports are steered to one socket of each packet thread; why settled flows are too, if
    /// that was not asked for.
    Steered {
        /// What stands in the way of devices.
        why: Option<String>,
    },
    /// The same, and settled flows are sent on at devices.
    AtDevices {
        /// The devices.
        devices: Vec<String>,
        /// How the program runs there.
        mode: Mode,
        /// Why they end with this process, if they were to outlive it.
        not_kept: Option<String>,
    },
}

impl MediaPath {
    /// Why ports are not steered, in one line: a refused program has pages to say.
    pub(super) fn per_port(why: &NotSteered) -> MediaPath {
        MediaPath::PerPort {
            why: Some(first_line(&why.to_string())),
        }
    }

    /// The same without devices, because of that.
    pub(super) fn because(self, text: &str) -> MediaPath {
        match self {
            MediaPath::Steered { .. } => MediaPath::Steered {
                why: Some(first_line(text)),
            },
            // Its own reason is one for this, too.
            other => other,
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
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
            MediaPath::Steered { why } => {
                f.write_str("ports steered to one socket of each packet thread")?;
                let because = |why| write!(f, ", settled flows as well: {why}");
                why.as_ref().map_or(Ok(()), because)
            }
            MediaPath::AtDevices {
                devices,
                mode,
                not_kept,
            } => {
                let devices = devices.join(", ");
                write!(f, "settled flows at {devices} ({mode}), the rest steered")?;
                let because = |why| write!(f, "; they end with this process: {why}");
                not_kept.as_ref().map_or(Ok(()), because)
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
                MediaPath::Steered { why: None },
                "ports steered to one socket of each packet thread",
            ),
            (
                MediaPath::Steered { why: None }.because("no device\nin sight"),
                "ports steered to one socket of each packet thread, settled flows as well: no device",
            ),
            (
                MediaPath::AtDevices {
                    devices,
                    mode: Mode::Native,
                    not_kept: None,
                },
                "settled flows at eth0, eth1 (native), the rest steered",
            ),
        ];
        for (path, text) in paths {
            assert_eq!(path.to_string(), text);
        }
    }
}
