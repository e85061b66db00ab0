//! One socket for all ports: what the appliance's privileges allow.
//!
//! The steering program gives every datagram for an open media port to the one socket of the
//! packet thread that the port belongs to ([`crate::engine::steering`]), for each IP version one.
//! What leaves is sent with a UDP header of ours by a raw IP socket of the local address, so that
//! the kernel goes on finding route and neighbour and making fragments. A call costs no socket, and a packet meets the
//! same few sockets however many calls there are.

mod commands;
mod doors;
mod head;
mod lanes;
mod row;
mod settle;
pub mod worker;

pub use doors::{SOCKETS, receiver, sender};
