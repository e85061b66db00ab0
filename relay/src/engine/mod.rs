//! The packet engine: sockets, threads and the table they read.
//!
//! [`Engine`] is the handle that the rest of the relay holds. It opens pairs (binding their
//! sockets), sends commands to the packet threads through bounded queues, and reads counters.
//! The packets themselves are handled in [`uring`], which no other code calls.

mod config;
mod error;
mod host;
mod totals;

use patchbay_route::counters::PairStats;

pub use config::EngineConfig;
pub use error::{CommandError, EngineError, OpenError};
pub use host::HostUdp;
pub use patchbay_route::counters::{DropCounts, FlowStats};
pub use patchbay_route::flow::{Component, Side};
pub use patchbay_route::pair::{LocalAddrs, OpenPair, PairId, PairSpec, Remote, SideSpec};
pub use totals::{EngineTotals, PortsFree, ThreadHealth, ThreadTotals};

/// Handle of a running packet engine. Cheap to clone; the engine stops when the last one goes.
#[derive(Clone, Debug)]
pub struct Engine {
    _inner: (),
}

#[allow(
    missing_docs,
    unused_variables,
    clippy::missing_errors_doc,
    clippy::unimplemented
)]
impl Engine {
    pub fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        unimplemented!()
    }
    pub fn open(&self, spec: PairSpec) -> Result<OpenPair, OpenError> {
        unimplemented!()
    }
    pub fn set_remote(&self, pair: PairId, side: Side, remote: Remote) -> Result<(), CommandError> {
        unimplemented!()
    }
    pub fn close(&self, pair: PairId) {
        unimplemented!()
    }
    pub fn stats(&self, pair: PairId) -> Option<PairStats> {
        unimplemented!()
    }
    pub fn totals(&self) -> EngineTotals {
        unimplemented!()
    }
    pub fn health(&self) -> Vec<ThreadHealth> {
        unimplemented!()
    }
    pub fn shutdown(&self) {
        unimplemented!()
    }
}
