//! The node: one task that owns the distributor, the SIP signalling and the registrar.

mod centre;
mod handle;

pub use handle::{
    Applied, ApplyError, BindingView, Counters, EVENT_BACKLOG, EndError, MAX_COMMANDS, Metric,
    MetricKind, NodeHandle, Readiness, RelayView, Sample, StatusError, Stopped, StoredEvent,
};
