//! The packet engine: sockets, threads and the table they read.
//!
//! [`Engine`] is the handle that the rest of the relay holds. It opens pairs (binding their
//! sockets), sends commands to the packet threads through bounded queues, and reads counters.
//! The packets themselves are handled in `uring`, which no other code calls.
//!
//! Once a flow has learned its source, its socket is connected, and the kernel refuses what
//! strangers send (with an ICMP message, and counted in [`EngineTotals::host`]). Until then, and
//! for what was under way at that moment, the engine itself refuses and counts.

pub mod allocations;
mod blocks;
mod cells;
mod choice;
mod clock;
mod config;
mod device;
mod drill;
mod error;
mod handle;
mod handover;
mod host;
mod inbox;
mod load;
mod mailbox;
mod mapped;
mod neighbours;
mod path;
mod ports;
mod registry;
mod restart;
mod rows;
mod seat;
mod sockets;
mod steering;
mod supervise;
mod times;
mod totals;
mod uring;
pub mod xdp;

pub use config::{EXPEDITED, EngineConfig, EngineKind, KeepFlows, MediaSockets};
pub use drill::Drill;
pub use error::{CommandError, EngineError, OpenError};
pub use handle::Engine;
pub use host::HostUdp;
pub use patchbay_route::counters::{DropCounts, FlowStats, PairStats};
pub use patchbay_route::flow::{Component, Side};
pub use patchbay_route::handover::PairHandover;
pub use patchbay_route::limits::MAX_STEERED_IPS;
pub use patchbay_route::pair::{LocalAddrs, OpenPair, PairId, PairSpec, Profile, Remote, SideSpec};
pub use patchbay_route::verdict::DropReason;
pub use path::MediaPath;
pub use restart::{FIRST_RESTART_AFTER, MAX_RESTARTS, RESTART_PERIOD};
pub use steering::NotSteered;
pub use supervise::{Supervised, ThreadChange};
pub use totals::{DeviceTotals, EngineTotals, PortsFree, ThreadHealth, ThreadTotals};
