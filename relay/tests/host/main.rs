//! A relay host with real sockets, a control node played by the test, and its private API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod dead_thread;
mod edge;
mod handed_over;
mod near;
mod support;
mod tls;
mod traces;
mod tunnel;
