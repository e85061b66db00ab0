//! The packet generator: two-way calls of RTP through a relay on loopback, and a report of what
//! arrived, how soon, and what it cost.
//!
//! Every packet carries the number of its flow, its place in the flow and the time at which it
//! was sent; each that arrives is checked for source, content and order. Phones and relay share
//! the machine: on loopback the kernel's work for receiving a packet is done by who sends it, so
//! that the relay's share of CPU time includes its packets' delivery to the phones, and the
//! generator's share includes their delivery to the relay.

pub mod bed;
mod live;
pub mod measure;
mod packet;
mod phones;
pub mod plan;
mod receive;
pub mod report;
mod run;
mod send;
mod sockets;
pub mod systems;
mod target;
mod usage;
pub mod vocabulary;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::report::{Mark, Table, grouped};

pub use run::run;
pub use target::{EngineTarget, Target};
pub use vocabulary::{Losses, Wrong};

/// What to do.
#[derive(Clone, Debug)]
pub struct PacketsArgs {
    /// Two-way calls, 1 to [`MAX_CALLS`].
    pub calls: usize,
    /// For how long to send.
    pub duration: Duration,
    /// Packets a second, both ways and all calls together. `None`: as many as the calls send
    /// with one packet each way every `ptime`.
    pub packets_per_s: Option<u64>,
    /// RTP payload in bytes, [`MIN_PAYLOAD_BYTES`] to [`MAX_PAYLOAD_BYTES`]. G.711 at 20 ms
    /// is 160.
    pub payload_bytes: usize,
    /// Time that one packet's payload stands for.
    pub ptime: Duration,
    /// Packet threads of the relay.
    pub threads: usize,
    /// Cores for the relay's threads; the generator uses the others, if there are any. Empty:
    /// nothing is pinned.
    pub cpus: Vec<usize>,
    /// Where to write the report as JSON.
    pub json: Option<PathBuf>,
}

/// Most calls of one run.
pub const MAX_CALLS: usize = 20_000;
/// Smallest payload: it has to hold run, flow, place and time.
pub const MIN_PAYLOAD_BYTES: usize = sockets::packet::STAMP_BYTES;
/// Largest payload: with its RTP header it fits Ethernet.
pub const MAX_PAYLOAD_BYTES: usize = 1460;

impl Default for PacketsArgs {
    fn default() -> Self {
        Self {
            calls: 500,
            duration: Duration::from_secs(10),
            packets_per_s: None,
            payload_bytes: 160,
            ptime: Duration::from_millis(20),
            threads: 1,
            cpus: Vec::new(),
            json: None,
        }
    }
}

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

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct PacketReport {
    /// What was measured.
    pub system: String,
    /// Its engine.
    pub engine: String,
    /// Two-way calls.
    pub calls: usize,
    /// Packets a second that were to be sent.
    pub offered_packets_per_s: f64,
    /// For how long packets were sent, in seconds.
    pub seconds: f64,
    /// RTP payload in bytes.
    pub payload_bytes: usize,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the generator was too late to send; they are not in `sent`.
    pub not_sent: u64,
    /// Packets that came out of the relay, whole and from the right source.
    pub delivered: u64,
    /// Delivered packets a second.
    pub packets_per_s: f64,
    /// Share of the sent packets that were not delivered, 0 to 1.
    pub loss: f64,
    /// Packets lost, by place and reason.
    pub lost: BTreeMap<String, u64>,
    /// What was wrong with packets that came out.
    pub wrong: Wrong,
    /// From sending to arrival at the other phone, in microseconds.
    pub latency_us: Latency,
    /// Of that, from the kernel's receipt at the relay until it was sent on, as the relay says.
    pub forwarding_us: Option<Latency>,
    /// CPU time of the relay's threads for each delivered packet, in nanoseconds.
    pub cpu_ns_per_packet: Option<f64>,
    /// Share of a core that the relay's threads used, 1 for each core.
    pub relay_cpu: Option<f64>,
    /// Growth of the process's resident memory by opening the calls, for each call; the
    /// generator's own share is in it.
    pub bytes_per_call: Option<u64>,
    /// What makes the figures doubtful.
    pub remarks: Vec<String>,
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

    fn brief(&self) -> String {
        format!(
            "{:.0} / {:.0} / {:.0} / {:.0} µs",
            self.p50, self.p90, self.p99, self.p999
        )
    }
}

impl PacketReport {
    /// The report as a table.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.row("measured", format!("{}, {}", self.system, self.engine));
        table.row("calls", grouped(self.calls as u64));
        table.row(
            "packets sent",
            format!("{} in {:.1} s", grouped(self.sent), self.seconds),
        );
        table.row(
            "delivered",
            format!("{}/s", grouped(self.packets_per_s.round() as u64)),
        );
        let lost: Vec<String> = self
            .lost
            .iter()
            .map(|(why, n)| format!("{why} {}", grouped(*n)))
            .collect();
        let mark = if self.loss > 0.001 {
            Mark::Bad
        } else {
            Mark::Good
        };
        table.marked(
            "loss",
            format!("{:.4} %", self.loss * 100.0),
            lost.join(", "),
            mark,
        );
        let mark = if self.wrong.total() > 0 {
            Mark::Bad
        } else {
            Mark::Good
        };
        let wrong = format!(
            "source {}, content {}, order {}",
            self.wrong.source, self.wrong.content, self.wrong.order
        );
        table.marked("wrong packets", grouped(self.wrong.total()), wrong, mark);
        table.row("latency p50/p90/p99/p99.9", self.latency_us.brief());
        if let Some(forwarding) = self.forwarding_us {
            table.row("of that in the relay", forwarding.brief());
        }
        if let (Some(ns), Some(share)) = (self.cpu_ns_per_packet, self.relay_cpu) {
            table.row(
                "CPU of the relay",
                format!("{ns:.0} ns a packet, {:.0} % of a core", share * 100.0),
            );
        }
        if let Some(bytes) = self.bytes_per_call {
            table.row("memory", format!("{} bytes a call", grouped(bytes)));
        }
        for remark in &self.remarks {
            table.marked("remark", remark.clone(), "", Mark::Bad);
        }
        table
    }
}

#[cfg(test)]
mod tests;
