//! What a packet thread shares with the rest: bounded queues in and out, a wake-up, counters.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam::queue::ArrayQueue;
use patchbay_route::flow::{FLOWS, Side};
use patchbay_route::limits::MAX_COMMANDS;
use patchbay_route::pair::{PairId, Remote};
use rustix::event::EventfdFlags;

use super::cells::{PairCells, ThreadCells};
use super::drill::Drill;
use super::steering::SteeredPort;
use super::times::TimeCells;

/// A change of a thread's table.
#[derive(Debug)]
pub enum Command {
    /// A new row.
    Open {
        /// Its name.
        id: PairId,
        /// Its ports.
        ports: Ports,
        /// Its counters.
        cells: Arc<PairCells>,
    },
    /// A side's SDP came.
    SetRemote {
        /// The pair.
        id: PairId,
        /// The side.
        side: Side,
        /// What its SDP says.
        remote: Remote,
    },
    /// Do something wrong: for tests and drills.
    Drill(Drill),
}

/// The ports of a new row, by flow index.
#[derive(Debug)]
pub enum Ports {
    /// A socket for each.
    Bound([OwnedFd; FLOWS]),
    /// None, since they are steered.
    Steered(Box<[SteeredPort; FLOWS]>),
}

/// Commands and closings that a patient bell lets wait: each wake-up of a thread that has nothing
/// to send costs more than what it is woken for.
const PATIENCE: usize = 64;

/// When a thread is told that its mailbox has something for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// At once.
    Prompt,
    /// When a packet wakes it, when [`Mailbox::hurry`] is called, or when much waits: for threads
    /// that look into their mailbox before they send a packet on.
    Patient,
}

/// One packet thread's queues and cells.
#[derive(Debug)]
pub struct Mailbox {
    commands: ArrayQueue<Command>,
    /// Rows to be closed: a place for each, so that closing never finds the queue full.
    closes: ArrayQueue<PairId>,
    /// Rows that have been closed; as large, for the same reason.
    closed: ArrayQueue<u32>,
    wake: OwnedFd,
    manner: Bell,
    /// The bell has been rung and not been heard: ringing it again is of no use.
    rung: AtomicBool,
    stop: AtomicBool,
    alive: AtomicBool,
    tid: AtomicU32,
    failure: OnceLock<String>,
    /// Counters.
    pub cells: ThreadCells,
    /// Sampled forwarding times.
    pub times: TimeCells,
}

impl Mailbox {
    /// An empty mailbox for a thread of that many rows.
    ///
    /// # Errors
    /// What the kernel says when it gives no eventfd.
    pub fn new(rows: usize, manner: Bell) -> rustix::io::Result<Mailbox> {
        Ok(Mailbox {
            commands: ArrayQueue::new(MAX_COMMANDS),
            closes: ArrayQueue::new(rows.max(1)),
            closed: ArrayQueue::new(rows.max(1)),
            wake: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            manner,
            rung: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            alive: AtomicBool::new(false),
            tid: AtomicU32::new(0),
            failure: OnceLock::new(),
            cells: ThreadCells::default(),
            times: TimeCells::default(),
        })
    }

    /// Hands a command to the thread; gives it back when the queue is full.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        self.commands.push(command)?;
        self.tell();
        Ok(())
    }

    /// Asks the thread to close a row. A row is asked for once in its life.
    pub fn close(&self, id: PairId) {
        // Cannot be full: it has a place for each row.
        let _ = self.closes.push(id);
        self.tell();
    }

    fn tell(&self) {
        if self.manner == Bell::Prompt || self.waiting() >= PATIENCE {
            self.ring_bell();
        }
    }

    /// Lets nothing wait any longer. To be called several times a second.
    pub fn hurry(&self) {
        if !self.is_empty() {
            self.ring_bell();
        }
    }

    /// Asks the thread to close all rows and end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring_bell();
    }

    /// A row that the thread has finished closing.
    pub fn next_closed(&self) -> Option<u32> {
        self.closed.pop()
    }

    /// Whether the thread runs.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// The thread's kernel id.
    pub fn tid(&self) -> u32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// Why the thread ended before it was asked to.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Drops what a dead thread will not take any more, with the sockets in it.
    pub fn clear(&self) {
        while self.commands.pop().is_some() {}
        while self.closes.pop().is_some() {}
    }

    /// Makes the thread look into its mailbox, at once or after what it is doing.
    pub fn ring_bell(&self) {
        // Release: the thread that hears it sees what was put into the queues before. Acquire:
        // and so does one that hears another's ringing, because both changed the same word.
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It can only fail when the count is at its end, and then the bell rings already.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    // The packet thread's side.

    /// Says that the thread runs.
    pub fn begin(&self) {
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        self.tid
            .store(u32::try_from(tid).unwrap_or(0), Ordering::Relaxed);
        self.alive.store(true, Ordering::Release);
    }

    /// Says that the thread has ended, and why if nobody asked it to.
    pub fn end(&self, failure: Option<String>) {
        if let Some(failure) = failure {
            let _ = self.failure.set(failure);
        }
        self.cells.pairs.set(0);
        self.alive.store(false, Ordering::Release);
        self.clear();
    }

    /// The descriptor that becomes readable when there is something to do.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Makes the bell silent. To be called before the queues are read.
    pub fn silence(&self) {
        // A bell that is being rung right now wakes the thread once more.
        if !self.rung.load(Ordering::Acquire) {
            return;
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// The next command.
    pub(super) fn next_command(&self) -> Option<Command> {
        self.commands.pop()
    }

    /// The next row to be closed.
    pub(super) fn next_close(&self) -> Option<PairId> {
        self.closes.pop()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.closes.is_empty()
    }

    /// Commands and closings that wait.
    pub(super) fn waiting(&self) -> usize {
        self.commands.len() + self.closes.len()
    }

    /// Reports a row as closed: sockets gone, ports free.
    pub fn report_closed(&self, row: u32) {
        // Cannot be full: it has a place for each row.
        let _ = self.closed.push(row);
    }

    /// Whether the thread is to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
