//! The node: one task that owns the distributor, the SIP signalling and the registrar.
//!
//! - [`mod@machine`]: all of it without I/O
//! - [`mod@run`]: the task that drives the machine
//! - [`mod@wire`]: the private SIP listener
//! - [`mod@journal`]: events and bindings on their way to the store
//! - [`mod@handle`]: what others may ask

mod centre;
mod config;
mod handle;
mod journal;
pub mod machine;
mod metrics;
mod run;
mod start;
mod wire;

pub use config::ControlConfig;
pub use handle::{
    Applied, ApplyError, BindingView, Counters, EVENT_BACKLOG, EndError, MAX_COMMANDS, Metric,
    MetricKind, NodeHandle, Readiness, RelayView, Sample, StatusError, Stopped, StoredEvent,
};
pub use journal::MAX_JOURNAL;
pub use machine::{Action, Ending, Machine};
pub use start::{Control, ControlError, MIN_SECRET_BYTES, start};
pub use wire::{MAX_CONNECTIONS, MAX_WIRE_EVENTS, MAX_WRITES};
