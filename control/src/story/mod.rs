//! Stories: what the events of contacts come to, without I/O.
//!
//! A [`Call`] is what the events of one contact come to; [`Calls`] makes them from the events of all.
//! Timelines, records and reports are made from these, so that they cannot disagree.

mod call;
mod calls;
mod sentence;

pub use call::{Call, Ending, Kind, Move, Promised, Try, TryEnd};
pub use calls::{Calls, MAX_OPEN, Range};
pub(crate) use sentence::name;
pub use sentence::sentence;
