//! What the node shows of itself.

use patchbay_core::Event;
use serde::{Deserialize, Serialize};

/// What an applied declaration changed, by `queue:ID`, `agent:ID` and `rule:ID`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Applied {
    /// Entries that were not there before.
    pub added: Vec<String>,
    /// Entries whose content differs from before.
    pub changed: Vec<String>,
    /// Entries that are no longer declared.
    pub removed: Vec<String>,
}

/// One registered device of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BindingView {
    /// The agent (address of record) that it belongs to.
    pub agent: String,
    /// The device's Contact URI.
    pub contact: String,
    /// The Path it is reached through, empty when it registered directly.
    pub path: Vec<String>,
    /// The device's User-Agent, when it told one.
    pub user_agent: Option<String>,
    /// Seconds until the binding expires.
    pub expires_in_s: u64,
    /// When it was last refreshed, Unix milliseconds.
    pub updated_unix_ms: u64,
    /// True for an agent's declared static URI, which never expires.
    pub fixed: bool,
}

/// One relay host as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RelayView {
    /// Base URL of its private HTTP API.
    pub url: String,
    /// Addresses of the SIP connections that are open from this relay's host.
    pub sip_links: Vec<String>,
    /// Its event stream is connected and its session list was taken over.
    pub events_up: bool,
    /// Sessions it carries according to its last list and the events since.
    pub sessions: u64,
    /// Its last report of capacity, as it sent it.
    #[schema(value_type = Option<Object>)]
    pub capacity: Option<serde_json::Value>,
    /// Why the event stream is down, when it is.
    pub last_error: Option<String>,
}

/// An event with its place in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Ascending, without gaps, starts at 1; names the place to go on from.
    pub cursor: u64,
    /// When it happened, Unix milliseconds.
    pub unix_ms: u64,
    /// What happened.
    pub event: Event,
}

/// Whether the node can take calls, part by part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Readiness {
    /// The SIP listener is open and calls are taken (false from the start of a shutdown on).
    pub sip: bool,
    /// At least one relay has a SIP connection to this node.
    pub relay_link: bool,
    /// The store accepted the last write.
    pub store: bool,
}

impl Readiness {
    /// True when a new call would be served.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.sip && self.relay_link && self.store
    }
}

/// Whether a metric only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Grows from zero at start.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One reading of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Label names and values, empty for a metric without labels.
    pub labels: Vec<(&'static str, String)>,
    /// The reading.
    pub value: u64,
}

/// A metric family for `/metrics`. Names lack the `patchbay_` prefix and the `_total` suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Name, snake case.
    pub name: &'static str,
    /// One sentence on what is counted.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// Its readings.
    pub samples: Vec<Sample>,
}

/// All metrics of the node, published a few times a second.
pub type Counters = Vec<Metric>;
