//! The packet path over io_uring and ordinary sockets: no privilege needed, works everywhere.
//!
//! One thread for each core given to media, each with its own ring ([`ring`]), table and packet
//! buffers ([`buffers`]). A packet's way: the kernel puts it into a buffer and reports it; the
//! [`worker`] finds the row by the completion's user data and asks [`crate::forward`] for the
//! verdict; the same buffer is sent on by the twin's socket. A pair lives on one thread.
//!
//! The [`bound`] worker has a socket for each port and needs no privilege; the [`steered`] one has
//! a few for all of them.
//!
//! The unsafe code of the relay is here and in [`super::steering`], each block with its reason.
#![allow(unsafe_code)]

mod address;
mod bound;
mod buffers;
mod common;
mod control;
mod event;
mod message;
pub mod probe;
mod ring;
mod slots;
mod steered;
pub mod thread;

pub use slots::slot;
pub use steered::{receiver, sender};
