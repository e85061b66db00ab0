//! What the rest of the process (HTTP API, command line) may ask of the running node.
//!
//! A [`NodeHandle`] is cheap to clone. Questions travel to the node's one task through a bounded
//! queue and are answered in order, so an answer always reflects everything that happened before
//! the question was put. Only [`NodeHandle::ready`] and [`NodeHandle::counters`] read a published
//! copy instead: a probe must be answered even while the task is busy.

use std::sync::{Arc, RwLock};

use patchbay_core::{
    AgentId, Centre, ContactId, Event, Explanation, Facts, Problem, Snapshot, Status,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::store::Store;

/// Questions that may wait for the node's task before callers are held back.
pub const MAX_COMMANDS: usize = 256;

/// Events kept for a slow subscriber before it is told that it lagged.
pub const EVENT_BACKLOG: usize = 4096;

/// The node's task has ended (the process is shutting down).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the control node has stopped")]
pub struct Stopped;

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

/// Why a declaration was not applied; the old one stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The declaration contradicts itself; every problem is listed.
    #[error("the declaration has {} problem(s)", problems.len())]
    Invalid {
        /// Each with its place, what is wrong and what to do.
        problems: Vec<Problem>,
    },
    /// The declaration could not be made durable.
    #[error("the declaration could not be stored: {0}")]
    Store(String),
    /// The node is shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why an agent's status was not set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StatusError {
    /// No agent of this name is declared.
    #[error("no agent `{0}` is declared")]
    UnknownAgent(AgentId),
    /// The node is shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a contact was not ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndError {
    /// No live contact has this identifier.
    #[error("no live contact `{0}`")]
    UnknownContact(ContactId),
    /// No relay confirmed that the session is over.
    #[error("no relay ended the session: {0}")]
    Relay(String),
    /// The node is shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
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
    /// A shutdown has begun.
    pub draining: bool,
}

impl Readiness {
    /// True when a new call would be served.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.sip && self.relay_link && self.store && !self.draining
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

/// What the node publishes for readers that must never wait.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) readiness: Readiness,
    pub(crate) counters: Counters,
}

/// A question to the node's task, with the way back.
#[derive(Debug)]
pub(crate) enum Command {
    Configure {
        centre: Arc<Centre>,
        done: oneshot::Sender<()>,
    },
    Snapshot {
        reply: oneshot::Sender<Snapshot>,
    },
    SetStatus {
        agent: AgentId,
        status: Status,
        reply: oneshot::Sender<Result<(), StatusError>>,
    },
    Explain {
        facts: Box<Facts>,
        reply: oneshot::Sender<Explanation>,
    },
    Bindings {
        agent: AgentId,
        reply: oneshot::Sender<Vec<BindingView>>,
    },
    EndContact {
        contact: ContactId,
        reply: oneshot::Sender<Result<(), EndError>>,
    },
    Relays {
        reply: oneshot::Sender<Vec<RelayView>>,
    },
    Shutdown {
        deadline: std::time::Duration,
        done: oneshot::Sender<()>,
    },
}

/// The way to the running node; see the module.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    commands: mpsc::Sender<Command>,
    centre: watch::Receiver<Arc<Centre>>,
    published: Arc<RwLock<Published>>,
    events: broadcast::Sender<StoredEvent>,
    store: Store,
    /// Two declarations applied at once must not be stored in one order and used in the other.
    applying: Arc<tokio::sync::Mutex<()>>,
}

impl NodeHandle {
    /// Joins the node's ends; called once at start.
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        centre: watch::Receiver<Arc<Centre>>,
        published: Arc<RwLock<Published>>,
        events: broadcast::Sender<StoredEvent>,
        store: Store,
    ) -> NodeHandle {
        let applying = Arc::default();
        NodeHandle {
            commands,
            centre,
            published,
            events,
            store,
            applying,
        }
    }

    async fn ask<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> Result<T, Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Checks, stores and uses a declaration. Applying the one in force changes nothing.
    ///
    /// # Errors
    /// [`ApplyError`]; the declaration in force stays.
    pub async fn apply(&self, centre: Centre) -> Result<Applied, ApplyError> {
        let problems = patchbay_core::validate(&centre);
        if !problems.is_empty() {
            return Err(ApplyError::Invalid { problems });
        }
        let _turn = self.applying.lock().await;
        let before = self.centre().await;
        let applied = super::centre::compare(&before, &centre);
        if *before == centre {
            return Ok(applied);
        }
        self.store
            .save_centre(&centre)
            .await
            .map_err(|e| ApplyError::Store(e.to_string()))?;
        let (done, answer) = oneshot::channel();
        self.ask(
            Command::Configure {
                centre: Arc::new(centre),
                done,
            },
            answer,
        )
        .await?;
        Ok(applied)
    }

    /// What applying a declaration would change.
    pub async fn preview(&self, centre: &Centre) -> Applied {
        super::centre::compare(&*self.centre().await, centre)
    }

    /// The declaration in force.
    pub async fn centre(&self) -> Arc<Centre> {
        self.centre.borrow().clone()
    }

    /// Agents with their states, queues with those who wait, live contacts.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn snapshot(&self) -> Result<Snapshot, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Snapshot { reply }, answer).await
    }

    /// Sets whether an agent takes contacts.
    ///
    /// # Errors
    /// [`StatusError::UnknownAgent`] when no such agent is declared.
    pub async fn set_agent_status(
        &self,
        agent: AgentId,
        status: Status,
    ) -> Result<(), StatusError> {
        let (reply, answer) = oneshot::channel();
        self.ask(
            Command::SetStatus {
                agent,
                status,
                reply,
            },
            answer,
        )
        .await?
    }

    /// What would happen to a contact with these facts now. Nothing is changed.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn explain(&self, facts: Facts) -> Result<Explanation, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.ask(
            Command::Explain {
                facts: Box::new(facts),
                reply,
            },
            answer,
        )
        .await
    }

    /// The devices of an agent; empty for an unknown one.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn bindings(&self, agent: AgentId) -> Result<Vec<BindingView>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Bindings { agent, reply }, answer).await
    }

    /// Ends a contact: a waiting or ringing one is refused with 480, an established one is ended
    /// by its relay (BYE to both parties).
    ///
    /// # Errors
    /// [`EndError`].
    pub async fn end_contact(&self, contact: ContactId) -> Result<(), EndError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::EndContact { contact, reply }, answer)
            .await?
    }

    /// The relays as this node sees them.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn relays(&self) -> Result<Vec<RelayView>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Relays { reply }, answer).await
    }

    /// Events from now on, each after it was stored. For older ones read the store first.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<StoredEvent> {
        self.events.subscribe()
    }

    /// Whether calls would be served, as published last.
    #[must_use]
    pub fn ready(&self) -> Readiness {
        match self.published.read() {
            Ok(published) => published.readiness.clone(),
            Err(_) => Readiness::default(),
        }
    }

    /// The node's metrics, as published last.
    #[must_use]
    pub fn counters(&self) -> Counters {
        match self.published.read() {
            Ok(published) => published.counters.clone(),
            Err(_) => Counters::new(),
        }
    }

    /// Takes no new calls from now on (503 with Retry-After), refuses those still waiting when
    /// `deadline` has passed, then ends the node's task. Returns when it has ended.
    pub async fn shutdown(&self, deadline: std::time::Duration) {
        let (done, ended) = oneshot::channel();
        if self
            .commands
            .send(Command::Shutdown { deadline, done })
            .await
            .is_ok()
        {
            let _gone = ended.await;
        }
    }
}
