//! Starting a packet thread, and telling how it ended.

use std::any::Any;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;

use patchbay_route::flow::FLOWS;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::buffers::Sizes;
use super::common::{Common, Failure};
use super::probe::explain;
use super::ring::Ring;
use super::steered::SOCKETS;
use super::{bound, steered};
use crate::engine::EngineError;
use crate::engine::clock::Clock;
use crate::engine::device::DeviceFlows;
use crate::engine::inbox::Costs;
use crate::engine::mailbox::Mailbox;
use crate::engine::steering::Space;

/// What a packet thread is to be.
#[derive(Debug)]
pub struct Plan {
    /// Its number.
    pub thread: usize,
    /// The core to pin it to.
    pub cpu: Option<usize>,
    /// Rows of its table.
    pub rows: usize,
    /// The engine's clock.
    pub clock: Clock,
    /// What it shares with the rest.
    pub mailbox: Arc<Mailbox>,
    /// How its ports are steered; if they are not, each has a socket.
    pub steered: Option<Steered>,
}

/// What a thread with steered ports needs.
#[derive(Debug)]
pub struct Steered {
    /// Whose each port is.
    pub space: Arc<Space>,
    /// The sockets that it receives by, one for each IP version.
    pub receivers: Vec<OwnedFd>,
    /// The DSCP that packets leave with, 0 to 63; `None`: the one that they came with.
    pub dscp: Option<u8>,
    /// The flows that are sent on at a device, if there is one.
    pub device: Option<Arc<DeviceFlows>>,
}

/// A thread that is being started.
#[derive(Debug)]
pub struct Starting {
    thread: usize,
    handle: JoinHandle<()>,
    started: Receiver<Result<(), EngineError>>,
}

/// Begins to start a thread.
///
/// # Errors
/// [`EngineError`] if the system gives no thread.
pub fn spawn(plan: Plan) -> Result<Starting, EngineError> {
    let thread = plan.thread;
    let (ready, started) = mpsc::channel();
    let handle = std::thread::Builder::new()
        .name(format!("packets-{thread}"))
        .spawn(move || run(plan, &ready))
        .map_err(|e| failed(thread, "spawn", e))?;
    Ok(Starting {
        thread,
        handle,
        started,
    })
}

impl Starting {
    /// Waits until the thread is ready.
    ///
    /// # Errors
    /// [`EngineError`] if it cannot be pinned, or have its ring.
    pub fn wait(self) -> Result<JoinHandle<()>, EngineError> {
        let outcome = self.started.recv();
        match outcome.unwrap_or_else(|_| Err(self.vanished())) {
            Ok(()) => Ok(self.handle),
            Err(e) => {
                let _ = self.handle.join();
                Err(e)
            }
        }
    }

    /// How the start went, once that is known.
    pub fn poll(&self) -> Option<Result<(), EngineError>> {
        match self.started.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(self.vanished())),
        }
    }

    /// The thread itself.
    pub fn into_handle(self) -> JoinHandle<()> {
        self.handle
    }

    fn vanished(&self) -> EngineError {
        failed(self.thread, "start", io::ErrorKind::UnexpectedEof.into())
    }
}

fn failed(thread: usize, what: &'static str, cause: io::Error) -> EngineError {
    EngineError::Thread {
        thread,
        what,
        cause,
    }
}

/// A thread's work, ready to be done.
type Job = Box<dyn FnOnce() -> Result<(), Failure>>;

fn run(plan: Plan, ready: &Sender<Result<(), EngineError>>) {
    let mailbox = plan.mailbox.clone();
    let job = match pin(&plan).and_then(|()| prepare(plan)) {
        Ok(job) => job,
        Err(e) => {
            let _ = ready.send(Err(e));
            return;
        }
    };
    mailbox.begin();
    let _ = ready.send(Ok(()));
    let outcome = catch_unwind(AssertUnwindSafe(job));
    mailbox.end(match outcome {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure.to_string()),
        Err(panic) => Some(format!("panicked: {}", message(panic.as_ref()))),
    });
}

/// Makes the ring and the worker of the kind that the plan wants.
fn prepare(plan: Plan) -> Result<Job, EngineError> {
    let (rows, mailbox, clock) = (plan.rows, plan.mailbox, plan.clock);
    let slots = u32::try_from(rows * FLOWS).unwrap_or(u32::MAX);
    let refused = |(step, cause)| explain(step, cause);
    let Some(steered) = plan.steered else {
        let ring = Ring::new(slots, slots, Sizes::BOUND).map_err(refused)?;
        let worker = bound::worker::Worker::new(ring, rows, mailbox, clock);
        return Ok(Box::new(move || worker.run()));
    };
    let mut ring = Ring::new(SOCKETS, slots, Sizes::STEERED).map_err(refused)?;
    for (place, socket) in (0..).zip(&steered.receivers) {
        let registered = ring.register(place, std::array::from_ref(socket));
        registered.map_err(|e| explain("socket table", e))?;
    }
    let common = Common::new(rows, mailbox, clock, Costs::Memory);
    let worker = steered::worker::Worker::new(ring, rows, common, &steered, plan.thread);
    Ok(Box::new(move || worker.run()))
}

fn pin(plan: &Plan) -> Result<(), EngineError> {
    let Some(cpu) = plan.cpu else { return Ok(()) };
    let refused = |cause| failed(plan.thread, "pin to its core", cause);
    if cpu >= CpuSet::MAX_CPU {
        return Err(refused(io::ErrorKind::InvalidInput.into()));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|e| refused(e.into()))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
