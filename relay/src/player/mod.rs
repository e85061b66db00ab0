//! What callers hear who wait: music and announcements, as RTP at the agent's side of their pair.
//!
//! To the packet engine the player is an agent's phone like any other, at an address of this host. So
//! what a caller hears comes from the port that it was told, whoever waits for it is latched and
//! guarded as in any call, and an agent that takes the call takes the player's place. What a caller
//! presses comes here too (RFC 4733).

mod keys;
mod stream;
mod thread;

pub use thread::{Player, PlayerCounts, START_TRIES};

use crate::session::SessionId;
use patchbay_route::waiting::Say;
use std::net::SocketAddr;

/// How G.711 is written (RFC 3551 section 4.5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU.
    Mu,
    /// PCMA.
    A,
}

/// Whom something is played to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Whose session.
    pub session: SessionId,
    /// Where the engine receives for the agent's side of its pair.
    pub to: SocketAddr,
    /// The codec that was agreed on.
    pub law: Law,
    /// Its payload type, 0 to 127.
    pub payload: u8,
    /// The payload type of telephone events (RFC 4733), if they were agreed on.
    pub events: Option<u8>,
    /// The name of the music; empty: silence.
    pub music: String,
    /// The language of announcements.
    pub language: String,
}

/// What the player is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Somebody listens from now on.
    Start(Box<Listener>),
    /// Something is said to one who listens.
    Say(SessionId, Say),
    /// Nobody listens there any more.
    Stop(SessionId),
}
