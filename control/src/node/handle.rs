//! What the rest of the process (HTTP API, command line) may ask of the running node.
//!
//! A [`NodeHandle`] is cheap to clone. Questions travel to the node's one task through a bounded
//! queue and are answered in order, so an answer always reflects everything that happened before
//! the question was put. Only [`NodeHandle::ready`] and [`NodeHandle::counters`] read a published
//! copy instead: a probe must be answered even while the task is busy.

use std::sync::{Arc, RwLock};

use patchbay_core::{AgentId, Centre, ContactId, Explanation, Facts, Problem, Snapshot, Status};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::gauges::Gauges;
use super::reported::{Report, ReportError};
use super::stand::Routed;
use super::views::{Applied, BindingView, Counters, Readiness, RelayView, StoredEvent};
use super::waiters::Waiter;
use crate::store::Store;
use patchbay_core::tier::Tier;

/// Questions that may wait for the node's task before callers are held back.
pub const MAX_COMMANDS: usize = 256;

/// Events kept for a slow subscriber before it is told that it lagged.
pub const EVENT_BACKLOG: usize = 4096;

/// The node's task has ended (the process is shutting down).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the control node has stopped")]
pub struct Stopped;

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

/// Why a contact of somebody outside was not taken, or a report of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// The report was taken, but may be forgotten if the process dies now.
    #[error("the store does not take what was reported; report it again")]
    NotWritten,
    /// The report was not taken.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The node is shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A report that was taken, and when what follows from it is in the store.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) routed: Routed,
    pub(crate) written: oneshot::Receiver<()>,
}

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
        version: u64,
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
        at_unix_ms: Option<u64>,
        reply: oneshot::Sender<Explanation>,
    },
    Tier {
        facts: Box<Facts>,
        reply: oneshot::Sender<Option<Tier>>,
    },
    Bindings {
        agent: AgentId,
        reply: oneshot::Sender<Vec<BindingView>>,
    },
    EndContact {
        contact: ContactId,
        reply: oneshot::Sender<Result<(), EndError>>,
    },
    Route {
        facts: Box<Facts>,
        asked_by: Option<String>,
        reply: oneshot::Sender<Option<Routed>>,
    },
    AwaitRouted {
        contact: ContactId,
        seen: Option<u64>,
        reply: Waiter,
    },
    Report {
        contact: ContactId,
        report: Report,
        reply: oneshot::Sender<Result<Written, ReportError>>,
    },
    Promises {
        reply: oneshot::Sender<Vec<Routed>>,
    },
    AllWritten {
        reply: oneshot::Sender<oneshot::Receiver<()>>,
    },
    Relays {
        reply: oneshot::Sender<Vec<RelayView>>,
    },
    Shutdown {
        done: oneshot::Sender<()>,
    },
}

/// The way to the running node; see the module.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    commands: mpsc::Sender<Command>,
    centre: watch::Receiver<Arc<Centre>>,
    published: Arc<RwLock<Published>>,
    events: broadcast::Sender<Arc<StoredEvent>>,
    gauges: Arc<watch::Sender<Gauges>>,
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
        (events, gauges): (
            broadcast::Sender<Arc<StoredEvent>>,
            Arc<watch::Sender<Gauges>>,
        ),
        store: Store,
    ) -> NodeHandle {
        let applying = Arc::default();
        NodeHandle {
            commands,
            centre,
            published,
            events,
            gauges,
            store,
            applying,
        }
    }

    async fn ask<T>(&self, command: Command, answer: oneshot::Receiver<T>) -> Result<T, Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// As [`NodeHandle::apply_saying`], without a comment.
    ///
    /// # Errors
    /// [`ApplyError`]; the declaration in force stays.
    pub async fn apply(&self, centre: Centre) -> Result<Applied, ApplyError> {
        self.apply_saying(centre, None).await
    }

    /// Checks, stores and uses a declaration, with a comment on why. Applying the one in force
    /// changes nothing.
    ///
    /// # Errors
    /// [`ApplyError`]; the declaration in force stays.
    pub async fn apply_saying(
        &self,
        centre: Centre,
        comment: Option<&str>,
    ) -> Result<Applied, ApplyError> {
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
        let version = self
            .store
            .save_centre(&centre, comment)
            .await
            .map_err(|e| ApplyError::Store(e.to_string()))?;
        let (done, answer) = oneshot::channel();
        self.ask(
            Command::Configure {
                centre: Arc::new(centre),
                version,
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

    /// What would happen to a contact with these facts now, or with rules as they are at another
    /// time, in milliseconds of Unix time. Nothing is changed.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn explain(
        &self,
        facts: Facts,
        at_unix_ms: Option<u64>,
    ) -> Result<Explanation, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.ask(
            Command::Explain {
                facts: Box::new(facts),
                at_unix_ms,
                reply,
            },
            answer,
        )
        .await
    }

    /// What a link opens; none if a word of it is no choice there. Nothing is changed.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn tier(&self, facts: Facts) -> Result<Option<Tier>, Stopped> {
        let (reply, answer) = oneshot::channel();
        let facts = Box::new(facts);
        self.ask(Command::Tier { facts, reply }, answer).await
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

    /// Takes a contact of somebody outside, remembers which token asked for it, and says how it stands.
    ///
    /// # Errors
    /// [`RouteError::Stopped`].
    pub async fn route(
        &self,
        facts: Facts,
        asked_by: Option<String>,
    ) -> Result<Routed, RouteError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Route {
            facts: Box::new(facts),
            asked_by,
            reply,
        };
        let taken = self.ask(command, answer).await?;
        taken.ok_or(RouteError::Stopped(Stopped))
    }

    /// How a contact stands that is carried outside; none if there is no such. With the revision that
    /// was `seen` the answer comes when it is another one.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn routed(
        &self,
        contact: ContactId,
        seen: Option<u64>,
    ) -> Result<Option<Routed>, Stopped> {
        let (reply, answer) = oneshot::channel();
        let command = Command::AwaitRouted {
            contact,
            seen,
            reply,
        };
        self.ask(command, answer).await
    }

    /// Tells what becomes of a contact that is carried outside. What follows from it outlives the process
    /// when this returns.
    ///
    /// # Errors
    /// [`RouteError`].
    pub async fn report(&self, contact: ContactId, report: Report) -> Result<Routed, RouteError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Report {
            contact,
            report,
            reply,
        };
        let Written { routed, written } = self.ask(command, answer).await??;
        written.await.map_err(|_| RouteError::NotWritten)?;
        Ok(routed)
    }

    /// Calls that are promised to customers and not made yet.
    ///
    /// # Errors
    /// [`Stopped`] while the process shuts down.
    pub async fn promises(&self) -> Result<Vec<Routed>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Promises { reply }, answer).await
    }

    /// Waits until what happened so far is in the store.
    ///
    /// # Errors
    /// [`RouteError::NotWritten`], [`RouteError::Stopped`].
    pub async fn all_written(&self) -> Result<(), RouteError> {
        let (reply, answer) = oneshot::channel();
        let written = self.ask(Command::AllWritten { reply }, answer).await?;
        written.await.map_err(|_| RouteError::NotWritten)
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
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<StoredEvent>> {
        self.events.subscribe()
    }

    /// How queues stand; they are read while anybody holds one of these. None yet at first.
    #[must_use]
    pub fn gauges(&self) -> watch::Receiver<Gauges> {
        self.gauges.subscribe()
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

    /// Ends the node's task. Callers who wait are told nothing: their relays keep them for the next process.
    /// Returns when it has ended.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.commands.send(Command::Shutdown { done }).await.is_ok() {
            let _gone = ended.await;
        }
    }
}
