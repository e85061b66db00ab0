//! The buffer server: SIP edge, sessions, routing table and packet engine.
//!
//! A call's way: [`edge`] takes a message; if it belongs to a session, [`session`] re-addresses
//! it, else it goes to control; a transferred INVITE opens a session and a pair in [`engine`].
//! A packet's way is told in [`engine`]. [`host`] is where the sockets and clocks are.

pub mod api;
pub mod audio;
pub mod config;
pub mod edge;
pub mod engine;
pub mod events;
pub mod files;
pub mod host;
pub mod locate;
pub mod net;
pub mod player;
pub mod readdress;
pub mod session;
pub mod strangers;
pub mod trace;

pub use config::{RelayConfig, Secret};
pub use host::{MAX_HAND_OVER_AGE, Relay, RelayError};
pub mod forward;
pub mod table;
