//! The distributor: SIP signalling, registrar, API, store.
//!
//! [`node`] owns the one task in which everything is decided; [`signalling`] is the SIP proxy core
//! without I/O, [`registrar`] knows where agents are, [`link`] follows the relays' events,
//! [`store`] keeps what must outlive the process.

pub mod api;
pub mod link;
pub mod node;
pub mod registrar;
pub mod signalling;
pub mod store;
pub mod story;
