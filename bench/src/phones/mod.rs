//! Simulated SIP phones with real sockets and real G.711 audio.

mod exchange;
pub mod g711;
mod hear;
pub mod phone;
mod poller;
pub mod rtp;
mod studio;
mod talk;
pub mod voice;

pub use exchange::{
    Event, Exchange, ExchangeConfig, ExchangeCounters, ExchangeError, News, PhoneId, PhoneSpec,
};
pub use hear::HeardCounts;
pub use phone::{Behaviour, CallFailure, CallRef, CallSpec, Outcome, PhoneEvent};
pub(crate) use poller::{Poller, Ready};
pub(crate) use studio::nanoseconds;
pub use studio::{AudioTotals, LegId, LegReport, Role, StudioConfig, StudioError};
