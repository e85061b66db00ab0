//! The distributor: SIP signalling, registrar, API, store.
//!
//! [`access`] says who may do what. [`node`] owns the one task in which everything is decided; [`signalling`] is the SIP proxy core
//! without I/O, [`registrar`] knows where agents are, [`link`] follows the relays' events,
//! [`webhook`] asks servers that an operator declared,
//! [`store`] keeps what must outlive the process. [`story`], [`report`] and [`records`] say what the
//! events come to, without I/O.

pub mod access;
pub mod api;
pub mod link;
pub mod node;
pub mod records;
pub mod registrar;
pub mod report;
pub mod signalling;
pub mod store;
pub mod story;
pub mod table;
pub mod webhook;
