//! The node: one task that owns the distributor, the SIP signalling and the registrar.
//!
//! - [`mod@machine`]: all of it without I/O
//! - [`mod@run`]: the task that drives the machine
//! - [`mod@wire`]: the private SIP listener
//! - [`mod@tunnels`]: transfers that travel by streams of their own
//! - [`mod@asking`]: questions to servers about contacts
//! - [`mod@programs`]: offers to agents that are programs
//! - [`mod@sites`]: agents of other centres
//! - [`mod@site_requests`]: what is asked and told there
//! - [`mod@gauges`]: how queues stand, for event streams
//! - [`mod@journal`]: events and bindings on their way to the store
//! - [`mod@handle`]: what others may ask

mod action;
mod asking;
mod centre;
mod config;
mod decided;
mod gauges;
mod handle;
mod journal;
pub mod machine;
mod metrics;
mod program;
mod programs;
mod reported;
mod route;
mod routed;
mod run;
mod site_requests;
mod sites;
mod stand;
mod start;
mod tunnels;
mod views;
mod waiters;
mod wire;

pub use action::{Action, Ending};
pub use asking::{MAX_ANSWERS, MAX_LOOK_UPS};
pub(crate) use centre::compare;
pub use config::ControlConfig;
pub(crate) use gauges::news;
pub use gauges::{GAUGE_EVERY, Gauges};
pub use handle::{
    ApplyError, EVENT_BACKLOG, EndError, MAX_COMMANDS, NodeHandle, RouteError, StatusError, Stopped,
};
pub use journal::MAX_JOURNAL;
pub use machine::Machine;
pub use program::{Offered, ProgramFailure, Reply, Told};
pub use programs::MAX_PROGRAM_REQUESTS;
pub use reported::{Failed, Report, ReportError};
pub use routed::{KEEP_ROUTED, MAX_ROUTED_KEPT};
pub(crate) use run::unix_ms;
pub use site_requests::MAX_SITE_TASKS;
pub use sites::{SiteSays, SiteTold};
pub use stand::{Promise, Routed, Stand};
pub use start::{Control, ControlError, MIN_SECRET_BYTES, start};
pub use tunnels::MAX_TUNNEL_WRITES;
pub use views::{
    Applied, BindingView, Counters, Metric, MetricKind, Readiness, RelayView, Sample, StoredEvent,
};
pub use waiters::MAX_WAITERS;
pub use wire::{MAX_CONNECTIONS, MAX_WIRE_EVENTS, MAX_WRITES, NearLink};
