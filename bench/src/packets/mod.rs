//! The packet benchmark: two-way calls of RTP through a relay, and what arrived, how soon, and
//! what it cost.
//!
//! A [`bed`] is where relay and phones are, a [`vocabulary::System`] is what is measured, a
//! [`vocabulary::Generator`] sends and checks every packet, [`measure`] puts them together for
//! one load, [`plan`] says which loads in which order, and [`report`] shows what came of them.

pub mod bed;
mod live;
pub mod measure;
mod meter;
pub mod plan;
pub mod report;
mod sockets;
pub mod systems;
mod usage;
pub mod vocabulary;

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::report::grouped;

pub(crate) use usage::Ticks;
pub use vocabulary::{Losses, Wrong};

/// Most calls of one run.
pub const MAX_CALLS: usize = 100_000;
/// Smallest payload: it has to hold run, flow, place and time.
pub const MIN_PAYLOAD_BYTES: usize = sockets::packet::STAMP_BYTES;
/// Largest payload: with its RTP header it fits Ethernet.
pub const MAX_PAYLOAD_BYTES: usize = 1460;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An argument is out of its range.
    #[error("{0}")]
    Args(String),
    /// A socket, thread or file of the generator failed.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// The relay did not start or did not open a call.
    #[error("relay: {0}")]
    Relay(String),
    /// A relay, or the generator, has no room for so many calls: it is not broken, and fewer calls
    /// can be measured.
    #[error("no room for {} calls: {limit}", grouped(*calls as u64))]
    NoRoom {
        /// Two-way calls that were wanted.
        calls: usize,
        /// What the limit is, and how to raise it.
        limit: String,
    },
    /// Whoever started it stopped it.
    #[error("stopped")]
    Stopped,
    /// Not all flows pass packets, even without load.
    #[error("{open} of {flows} flows pass packets before the run")]
    NotOpen {
        /// Flows that do.
        open: usize,
        /// All flows.
        flows: usize,
    },
}

impl BenchError {
    fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::System { what, cause }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls opened.
    pub calls: usize,
    /// Time since sending began.
    pub elapsed: Duration,
    /// Packets sent.
    pub sent: u64,
    /// Packets that came out of the relay.
    pub delivered: u64,
}

/// Points of a distribution of times, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the values are at most this.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
    /// All of them.
    pub max: f64,
}

impl Latency {
    /// Of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests;
