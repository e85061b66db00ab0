//! The packet path over io_uring and ordinary sockets: no privilege needed, works everywhere.
//!
//! One thread for each core given to media, each with its own ring ([`ring`]), table and packet
//! buffers ([`buffers`]). A packet's way: the kernel puts it into a buffer and reports it; the
//! [`worker`] finds the row by the completion's user data and asks [`crate::forward`] for the
//! verdict; the same buffer is sent on by the twin's socket. A pair lives on one thread.
//!
//! All unsafe code of the relay is in this folder, each block with its reason.
#![allow(unsafe_code)]

mod address;
mod buffers;
mod closing;
mod ears;
mod lanes;
mod message;
pub mod probe;
mod ring;
mod row;
pub mod thread;
mod worker;
