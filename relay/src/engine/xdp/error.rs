//! What can go wrong with the program at the device, and what to do about it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use patchbay_route::settled::RowError;
use thiserror::Error;

use super::Mode;

/// The program cannot be loaded or put on a device.
#[derive(Debug, Error)]
pub enum DriverError {
    /// A field of the configuration is out of its range.
    #[error("XDP: {what}")]
    Config {
        /// The field, its value and its range.
        what: String,
    },
    /// This process may not load BPF programs, or not put them on devices.
    #[error(
        "XDP: not allowed here: give the process CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or run \
         without it"
    )]
    Privilege,
    /// The kernel does not take the program or one of its tables.
    #[error(
        "XDP: the kernel does not take the program, which needs Linux 5.13 or later and \
         CAP_PERFMON: {0}"
    )]
    Load(#[source] Box<aya::EbpfError>),
    /// The program's object lacks a part: it is not the one that belongs here.
    #[error("XDP: the program has no {0}")]
    Part(&'static str),
    /// There is no such device.
    #[error("XDP: there is no device {device}")]
    NoDevice {
        /// The name.
        device: String,
    },
    /// Another XDP program is there already.
    #[error(
        "XDP: another program stands on {device}: take it off (`ip link set dev {device} xdp off`, \
         or end the process that it belongs to), or name another device"
    )]
    Occupied {
        /// The device.
        device: String,
    },
    /// The device does not take the program.
    #[error(
        "XDP: {device} does not take the program in {mode} mode ({cause}): a lower MTU, or fewer \
         queues, may help"
    )]
    Refused {
        /// The device.
        device: String,
        /// In this mode.
        mode: Mode,
        /// What the kernel said.
        cause: io::Error,
    },
    /// No device was named, or the program is on devices already.
    #[error("XDP: name all devices once")]
    Devices,
    /// The kernel answers no questions for routes.
    #[error("XDP: routes cannot be asked for: set {setting}=1 with sysctl ({cause})")]
    Routes {
        /// The setting's name.
        setting: String,
        /// Why it could not be set.
        cause: io::Error,
    },
    /// Program and tables cannot be kept for the process after this one.
    #[error("XDP: nothing can be kept in {directory}: {cause}")]
    Pin {
        /// Where.
        directory: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The kernel failed at something that does not fail.
    #[error("XDP: {what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// A flow cannot be entered in, or read from, the program's table. The flow then stays on sockets.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// More local addresses than the program looks at.
    #[error("the device's table has no room for another address: {0}")]
    Addresses(IpAddr),
    /// The flow is settled already: take it out first, so that its counters are not lost.
    #[error("{0} is settled already")]
    Settled(SocketAddr),
    /// The port is not one that the program looks at.
    #[error("the port of {0} is not among those for media")]
    Port(SocketAddr),
    /// The flow's addresses lead nowhere.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The kernel failed.
    #[error("the device's counters cannot be read: {0}")]
    Read(#[source] aya::maps::MapError),
}
