//! Settled flows re-addressed at the device, without sockets.
//!
//! [`Driver`] loads the program of `relay/xdp` and puts it on devices; [`Mirror`] says to it which
//! flows are settled, and reads what it counted. Everything that the program does not send on or
//! drop by its rules goes up to the kernel and its sockets as if it were not there.
//!
//! # What the network must be like
//!
//! - The program finds the way out by the kernel's routes and neighbours. A packet leaves by a device
//!   that the program stands on, or by an 802.1Q VLAN on one; else it goes up. So the addresses and
//!   routes belong to that device itself, not to a bridge above it.
//! - A packet whose next hop's link address is not known goes up, and the sockets have the kernel ask
//!   for it. [`Neighbours`] has to see to those in use from then on.
//! - Fragments, and packets with IP options, go up from whatever source; limits on unknown sources
//!   do not count them.
//! - Frames come untagged or with one 802.1Q tag in the frame. A device in generic mode must not
//!   take the tag off (`ethtool -K DEVICE rxvlan off`), because it would put it on again when the
//!   packet leaves; a driver in native mode that takes it off does no harm.
//! - In native mode a packet reaches the other end of a veth only if there is an XDP program there,
//!   or GRO is on there.
//! - A next hop's link address and a route count for [`XdpConfig::hop_age`], per flow.
//! - A flow comes to one core, as receive-side scaling by addresses and ports does it. If two cores
//!   have packets of one flow at the same moment, all are sent on, but some may not be counted.

mod config;
mod driver;
mod error;
mod interfaces;
mod mirror;
mod neighbours;
mod pins;
mod rows;
mod vlans;

pub use config::XdpConfig;
pub use driver::{Driver, Mode, OBJECT, Run};
pub use error::{DriverError, MirrorError};
pub use interfaces::default_interfaces;
pub use mirror::Mirror;
pub use neighbours::Neighbours;
pub use patchbay_route::fate::{Fate, FateCounts};
pub use patchbay_route::reception::Reception;
pub use patchbay_route::settled::{FlowTally, RowError, SettledFlow, Way};
