//! A socket for each port: no privilege needed, works everywhere.
//!
//! A pair has four sockets in the ring's table. Each is listened to until its source is learned,
//! then connected to it; the twin's socket sends.

mod closing;
mod ears;
mod lanes;
mod row;
pub mod worker;
