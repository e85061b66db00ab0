//! What relay and control say to each other, and the rows of the routing table.
//!
//! Commands go down and events come up as the types of this crate; relay and control never
//! import each other. [`session`] and [`transfer`] are the control plane's words; the other
//! modules are the data plane's.
#![no_std]

extern crate alloc;

pub mod counters;
pub mod fate;
pub mod flow;
pub mod handover;
pub mod limits;
pub mod pair;
pub mod place;
pub mod reception;
pub mod session;
pub mod settled;
pub mod steering;
pub mod trace;
pub mod transfer;
pub mod verdict;
pub mod waiting;
