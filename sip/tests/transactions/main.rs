//! Transactions between a simulated pair of layers on a virtual clock: one scenario a file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod net;

mod bounded_table;
mod cancel_rules;
mod cancel_unmatched;
mod client_reference;
mod connection_lost;
mod deterministic;
mod failure_is_acknowledged;
mod faulty_network;
mod in_process;
mod invite_client_timeout;
mod lost_ack;
mod non_invite_rfc4320;
mod old_style_via;
mod reference;
mod repeated_2xx;
mod retransmission_schedule;
mod rport;
mod silent_user;
