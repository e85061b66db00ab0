//! Simulated SIP phones with real sockets and real G.711 audio.

pub mod g711;
mod hear;
mod poller;
pub mod rtp;
mod studio;
mod talk;
pub mod voice;

pub use hear::HeardCounts;
pub use studio::{AudioTotals, LegId, LegReport, Role, StudioConfig, StudioError};
