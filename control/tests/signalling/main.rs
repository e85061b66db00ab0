//! The control node's signalling, one scenario a file: most on a virtual clock with an edge and a
//! relay played by the test, some over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../../../sip/tests/fuzz/target.rs"]
mod target;
#[path = "../../../sip/tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../../../sip/tests/fuzz/seeds.rs"]
mod seeds;

// Before all others, for its macro.
#[macro_use]
mod support;

mod answer_crosses_cancel;
mod answered;
mod busy_then_next;
mod call_information;
mod cancel_queued;
mod cancel_ringing;
mod carried;
mod connection_lost;
mod devices;
mod forking;
mod guessing;
mod hearing;
mod hostile;
mod invite_repeated;
mod malformed;
mod methods;
mod near;
mod no_agent;
mod no_answer;
mod no_codec;
mod operator_ends;
mod outbound;
mod places;
mod queue_limits;
mod register;
mod relay_link;
mod restart;
mod tcp;
mod tunnels;
mod unregister_queued;
