//! What the acceptance tests share: the product as a process, and its peers.
//!
//! Every party lives at an address of its own, so that a capture can tell them apart: the relay host
//! at 127.0.0.1 (and ::1), callers at 127.0.0.2, agents at 127.0.0.3.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[macro_use]
pub mod forms;

pub mod answerer;
pub mod api;
pub mod baresip;
pub mod beyond;
pub mod browser;
pub mod capture;
pub mod centre;
pub mod certificates;
pub mod declaration;
pub mod dns;
pub mod kamailio;
pub mod media;
pub mod message;
pub mod parts;
pub mod party;
pub mod peers;
pub mod ports;
pub mod process;
pub mod raw;
pub mod second;
pub mod setup;
pub mod sipp;
pub mod sound;
pub mod stage;
pub mod steps;
pub mod stream;
pub mod wait;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub use beyond::Beyond;
pub use capture::Capture;
pub use centre::Centre;
pub use declaration::Declaration;
pub use dns::Dns;
pub use media::Media;
pub use party::Party;
pub use peers::have;
pub use setup::Setup;
pub use sipp::Sipp;
pub use stage::Stage;
pub use wait::until;

/// The relay host's public and private side.
pub const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The relay host's IPv6 side.
pub const RELAY6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Where callers live.
pub const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Where agents live.
pub const AGENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
/// Where people live who have no business here.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));

/// How long anything that takes milliseconds may take on a loaded machine before it counts as broken.
pub const SOON: Duration = Duration::from_secs(10);
/// How long a whole call may take.
pub const CALL: Duration = Duration::from_secs(40);
