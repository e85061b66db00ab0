//! The relay's file output: one thread with an io_uring of its own (tokio-uring), so that no
//! disk ever holds up a packet or a message.
//!
//! What there is so far: the [`Journal`] of ended sessions. The [`hand_over`] file is written and
//! read when a process ends and starts, with nobody waiting.

pub mod hand_over;
mod journal;
mod writer;

pub use journal::{Journal, JournalCounts, JournalError, JournalFull, JournalLimits};
