//! Sessions on a virtual clock, with a fake engine: one scenario a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod call;
mod in_dialog;
mod refused;
mod silence;
mod support;
