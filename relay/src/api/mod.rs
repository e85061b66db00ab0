//! The relay host's private HTTP API, for control and for monitoring.

mod auth;
mod metrics;
mod metrics_of_doors;
mod metrics_of_player;
mod routes;
mod secure;
mod serve;
mod traces;
mod tunnel;

use crate::config::Secret;
use crate::edge::Gauges;
use crate::engine::Engine;
use crate::events::Events;
use crate::net::Door;
use crate::player::PlayerCounts;
use crate::session::SessionId;
use crate::trace::Opened;
use patchbay_route::session::SessionList;
use patchbay_tls::Endpoint;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use secure::Handshakes;
pub use serve::serve;
pub use tunnel::Tunnels;

/// What the API asks of the signalling task.
#[derive(Debug)]
pub enum Command {
    /// All live sessions.
    Sessions(oneshot::Sender<SessionList>),
    /// End one; false if it is not known.
    End(SessionId, oneshot::Sender<bool>),
    /// Refuse new calls, or take them again.
    Drain(bool),
    /// Messages that are kept, and those that come if that is true.
    Trace(bool, oneshot::Sender<Opened>),
    /// Numbers.
    Gauges(oneshot::Sender<Gauges>),
    /// Stop the host once its calls have ended, or after this time.
    Stop {
        /// The longest time to wait.
        drain: Duration,
    },
    /// Stop the host and leave its calls to the next process.
    HandOver,
}

/// What the API's handlers share.
#[derive(Clone)]
pub struct Shared {
    /// The bearer token.
    pub secret: Secret,
    /// To the signalling task.
    pub commands: mpsc::Sender<Command>,
    /// The event stream.
    pub events: Events,
    /// The packet engine, for its counters.
    pub engine: Engine,
    /// Names this process.
    pub instance: String,
    /// The limit of sessions.
    pub max_sessions: usize,
    /// What the public listeners count, and their certificate.
    pub door: Arc<Door>,
    /// What this API and its clients show each other; none: it speaks plain HTTP.
    pub link_tls: Option<Arc<Endpoint>>,
    /// Where transfers by tunnels go.
    pub tunnels: Tunnels,
    /// Handshakes of this API's clients.
    pub handshakes: Handshakes,
    /// What the player has done.
    pub player: Arc<PlayerCounts>,
    /// One for each trace that may be open.
    pub traces: Arc<Semaphore>,
}
