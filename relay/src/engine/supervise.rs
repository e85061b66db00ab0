//! Packet threads that died: who is told, and how they come back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay_route::pair::PairId;

use super::error::EngineError;
use super::handle::{Inner, Means};
use super::mailbox::Mailbox;
use super::registry::Registry;
use super::seat::{Life, Seat};
use super::uring::thread::{self, Starting};

/// What became of the packet threads since the last look.
#[derive(Debug, Default)]
pub struct Supervised {
    /// Threads that died or came back, in the order of their numbers.
    pub changes: Vec<ThreadChange>,
    /// Pairs that died with their threads. They carry nothing any more; their counters can be
    /// read until they are closed.
    pub lost: Vec<PairId>,
}

/// A packet thread died or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadChange {
    /// It died.
    Died {
        /// Its number.
        thread: usize,
        /// Why.
        failure: String,
        /// Pairs that it had.
        pairs: usize,
        /// When it is started again; never if it has died too often.
        restart_in: Option<Duration>,
    },
    /// Starting it again failed.
    NotRestarted {
        /// Its number.
        thread: usize,
        /// Why.
        cause: String,
        /// When that is tried again; never if it was tried too often.
        restart_in: Option<Duration>,
    },
    /// It runs again, with no pairs.
    Restarted {
        /// Its number.
        thread: usize,
    },
}

impl fmt::Display for ThreadChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = |restart_in: &Option<Duration>| match restart_in {
            Some(time) => format!("it is restarted in {} ms", time.as_millis()),
            None => "it stays down: restart the relay".to_owned(),
        };
        match self {
            Self::Died {
                thread,
                failure,
                pairs,
                restart_in,
            } => {
                let again = again(restart_in);
                write!(
                    f,
                    "packet thread {thread} died with {pairs} pairs ({failure}); {again}"
                )
            }
            Self::NotRestarted {
                thread,
                cause,
                restart_in,
            } => {
                let again = again(restart_in);
                write!(
                    f,
                    "packet thread {thread} could not be restarted ({cause}); {again}"
                )
            }
            Self::Restarted { thread } => write!(f, "packet thread {thread} runs again"),
        }
    }
}

/// Looks after every seat.
pub fn look(inner: &Inner, registry: &mut Registry, now: Instant) -> Supervised {
    let mut seen = Supervised::default();
    if registry.stopping {
        return seen;
    }
    let Registry {
        seats,
        steering,
        device,
        ..
    } = registry;
    let mut means = Means { steering, device };
    for (number, seat) in seats.iter_mut().enumerate() {
        // A seat may take several steps at once: each leads to a later state.
        while let Some(change) = step(inner, &mut means, number, seat, now) {
            if matches!(change, ThreadChange::Died { .. }) {
                seen.lost.extend(seat.lost.keys());
            }
            seen.changes.push(change);
        }
    }
    seen
}

/// One step of a seat's life, if it is due and worth telling.
fn step(
    inner: &Inner,
    means: &mut Means<'_>,
    thread: usize,
    seat: &mut Seat,
    now: Instant,
) -> Option<ThreadChange> {
    match std::mem::replace(&mut seat.life, Life::Down) {
        Life::Died => Some(ThreadChange::Died {
            thread,
            failure: seat.failure.clone().unwrap_or_default(),
            pairs: seat.lost.len(),
            restart_in: wait(seat, now),
        }),
        Life::Waiting(at) if at <= now => {
            seat.restarts.tried(now);
            match start(inner, means, thread) {
                Ok((starting, mailbox)) => {
                    seat.life = Life::Starting(starting, mailbox);
                    None
                }
                Err(cause) => Some(not_restarted(thread, seat, &cause, now)),
            }
        }
        Life::Starting(starting, mailbox) => match starting.poll() {
            None => {
                seat.life = Life::Starting(starting, mailbox);
                None
            }
            Some(Ok(())) => {
                seat.revive(mailbox, starting.into_handle());
                Some(ThreadChange::Restarted { thread })
            }
            Some(Err(cause)) => Some(not_restarted(thread, seat, &cause, now)),
        },
        life @ (Life::Up | Life::Waiting(_) | Life::Down) => {
            seat.life = life;
            None
        }
    }
}

/// Lets a seat wait for its next start, if there is to be one.
fn wait(seat: &mut Seat, now: Instant) -> Option<Duration> {
    let at = seat.restarts.next(now);
    seat.life = at.map_or(Life::Down, Life::Waiting);
    at.map(|at| at - now)
}

fn not_restarted(
    thread: usize,
    seat: &mut Seat,
    cause: &EngineError,
    now: Instant,
) -> ThreadChange {
    ThreadChange::NotRestarted {
        thread,
        cause: cause.to_string(),
        restart_in: wait(seat, now),
    }
}

/// Begins to start a thread, with a mailbox of its own: nothing that was meant for the dead one
/// reaches it.
fn start(
    inner: &Inner,
    means: &mut Means<'_>,
    thread: usize,
) -> Result<(Starting, Arc<Mailbox>), EngineError> {
    let mailbox = inner.mailbox(means.manner(), thread)?;
    let starting = thread::spawn(inner.plan(means, thread, mailbox.clone())?)?;
    Ok((starting, mailbox))
}
