//! The call generator: calls at a rate through a SIP address, answered by phones of this process or
//! by others, and a report of what became of them.

mod figures;
mod run;
mod search;
mod table;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use patchbay_sip::Transport;
use serde::Serialize;

use crate::phones::{ExchangeCounters, ExchangeError, HeardCounts, PhoneSpec};
use crate::report::Quantiles;

pub use figures::{AudioFigures, Direction};
pub use run::run;
pub use search::{SearchReport, search};
pub use watch::{Usage, Watch};

/// What to do.
#[derive(Clone, Debug)]
pub struct CallsArgs {
    /// Where INVITEs go.
    pub target: SocketAddr,
    /// Over UDP or TCP.
    pub transport: Transport,
    /// The URIs to call, in turn.
    pub to: Vec<String>,
    /// Host part of the callers' addresses.
    pub domain: String,
    /// Calls to place in all.
    pub calls_total: u64,
    /// Calls to place in a second.
    pub calls_per_s: f64,
    /// Calls at one time, at most; at this number placing waits, and that is reported.
    pub concurrent: usize,
    /// How long an answered call talks.
    pub hold: Duration,
    /// A caller gives up if nobody answers for so long.
    pub patience: Duration,
    /// Send and check audio.
    pub media: bool,
    /// Sockets that share the callers.
    pub callers: usize,
    /// The phones that answer.
    pub agents: Vec<AgentArgs>,
    /// Chooses tags, branches and voices.
    pub seed: u64,
    /// A process whose CPU time and memory are reported.
    pub watch: Option<u32>,
}

/// A phone that answers.
#[derive(Clone, Debug)]
pub struct AgentArgs {
    /// The phone.
    pub phone: PhoneSpec,
    /// It registers first; without that the target knows its address.
    pub register: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls placed.
    pub offered: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls over, whichever way.
    pub over: u64,
    /// Calls that failed.
    pub failed: u64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// The phones could not be made.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// No thread or file descriptor is left.
    #[error("cannot start the phones: {0}")]
    Start(#[from] std::io::Error),
    /// An agent's phone was not let in.
    #[error("the registrar at {target} answers {status} to agent {agent}")]
    Refused {
        /// Which agent.
        agent: String,
        /// Where.
        target: SocketAddr,
        /// The status.
        status: u16,
    },
    /// The registrar is silent.
    #[error("the registrar at {0} did not answer in 10 s")]
    Silent(SocketAddr),
    /// The arguments do not make a run.
    #[error("{0}")]
    Arguments(&'static str),
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    /// Calls placed.
    pub offered: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls refused, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Calls whose caller lost patience.
    pub cancelled: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The same by reason.
    pub failures: BTreeMap<String, u64>,
    /// Calls placed in a second, achieved.
    pub calls_per_s: f64,
    /// Most calls at one time.
    pub peak: u64,
    /// Times that placing had to wait because the limit of calls at one time was reached.
    pub held_back: u64,
    /// INVITE to 200, milliseconds.
    pub setup_ms: Quantiles,
    /// What each side said and heard; `None` without audio.
    pub audio: Option<AudioFigures>,
    /// CPU time of the watched process for one call, microseconds.
    pub cpu_us_per_call: Option<f64>,
    /// Memory that the watched process took for one call of the peak, bytes.
    pub bytes_per_call: Option<f64>,
    /// What went wrong in the generator itself.
    pub generator: ExchangeCounters,
}

impl CallReport {
    /// No call failed or was refused, and all audio arrived as it was sent.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed == 0
            && self.cancelled == 0
            && self.refused.is_empty()
            && self.audio.as_ref().is_none_or(AudioFigures::is_exact)
    }
}

/// Nothing that a listener should not have heard.
pub(crate) const fn is_pure(heard: &HeardCounts) -> bool {
    heard.corrupted == 0 && heard.foreign == 0 && heard.stale == 0
}
