//! Sessions on a virtual clock, with a fake engine: one scenario a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../../../sip/tests/fuzz/target.rs"]
mod target;
#[path = "../../../sip/tests/fuzz/mutate.rs"]
mod mutate;

#[macro_use]
mod carrying;

mod call;
mod carried;
mod early;
mod forks;
mod handover;
mod hearing;
mod hostile;
mod in_dialog;
mod large;
mod located;
mod media_lost;
mod media_terms;
mod notice;
mod order;
mod refer;
mod refused;
mod renewals;
mod silence;
mod standing;
mod stranded;
mod strange;
mod support;
mod timers;
mod traced;
mod tunnels;
mod update;
