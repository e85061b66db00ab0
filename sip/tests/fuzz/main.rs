//! Fuzzing with bolero: each target takes bytes, and says what must hold whatever they are.
//!
//! A target looks at its input twice: as it is, and as the choices by which [`mutate`] changes sound
//! messages, since bytes at random seldom get past the first line. `make test` runs a bounded number
//! of inputs; `make fuzz` runs for as long as it is told, and keeps what it finds in
//! `__fuzz__/TARGET/crashes`, from where every later run takes it first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[macro_use]
mod target;
mod carried;
mod digest;
mod framing;
mod messages;
mod mutate;
mod sdp;
mod seeds;
mod transactions;
mod values;
