//! What every packet thread has beside its ring and its table: mailbox, clock, samples.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

use patchbay_route::verdict::{Decision, DropReason, Verdict};

use super::ring::Ring;
use crate::engine::allocations;
use crate::engine::cells::FlowCells;
use crate::engine::clock::{Clock, wall_ns};
use crate::engine::inbox::{Costs, Inbox};
use crate::engine::mailbox::Mailbox;
use crate::strangers::Strangers;

/// Shortest time between two samples of the forwarding time, in nanoseconds.
const SAMPLE_EVERY_NS: u64 = 1_000_000;

/// Why a packet thread ends before it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The kernel refused what cannot be done without.
    #[error("io_uring: {0}")]
    Ring(#[from] io::Error),
    /// It was asked to, by [`crate::engine::Engine::drill`].
    #[error("asked to fail")]
    Asked,
}

/// What both kinds of packet thread have.
pub struct Common {
    /// What it shares with the rest.
    pub mailbox: Arc<Mailbox>,
    /// The reading end of its mailbox.
    pub inbox: Inbox,
    /// Those who sent what nobody expected.
    pub strangers: Strangers,
    /// The time of this wake-up, in nanoseconds of the engine's clock.
    pub now: u64,
    /// It has been asked to end.
    pub stopping: bool,
    /// The bell is watched.
    pub bell_armed: bool,
    clock: Clock,
    /// When the kernel got the datagram that is this batch's sample.
    sample: Option<u64>,
    next_sample: u64,
    allocated_at_start: u64,
}

impl Common {
    /// For a thread of that many rows.
    pub fn new(rows: usize, mailbox: Arc<Mailbox>, clock: Clock, costs: Costs) -> Common {
        Common {
            mailbox,
            inbox: Inbox::new(costs),
            strangers: Strangers::new(RandomState::new().hash_one(rows)),
            now: clock.now(),
            stopping: false,
            bell_armed: false,
            clock,
            sample: None,
            next_sample: 0,
            allocated_at_start: 0,
        }
    }

    /// The thread begins its work.
    pub fn begin(&mut self, ring: &mut Ring) -> Result<(), Failure> {
        self.watch_bell(ring)?;
        self.allocated_at_start = allocations::of_this_thread();
        Ok(())
    }

    /// The thread has woken up.
    pub fn wake(&mut self) {
        self.now = self.clock.now();
        self.mailbox.cells.batches.add(1);
    }

    /// Counts a datagram of a flow that was read.
    #[inline]
    pub fn count_read(&self, flow: &FlowCells) {
        flow.received.add(1);
        self.mailbox.cells.received.add(1);
    }

    /// Counts what became of one with a payload of that many bytes.
    #[inline]
    pub fn count_end(&self, flow: &FlowCells, len: usize, end: Result<(), DropReason>) {
        let cells = &self.mailbox.cells;
        match end {
            Ok(()) => {
                flow.accepted.add(1);
                flow.bytes.add(len as u64);
                flow.last.set(self.now);
                cells.accepted.add(1);
                cells.bytes.add(len as u64);
            }
            Err(reason) => {
                flow.drops.of(reason).add(1);
                cells.drops.of(reason).add(1);
            }
        }
    }

    /// A datagram says when the kernel got it: it may be the sample of this batch.
    pub fn note_stamp(&mut self, stamp: Option<u64>) {
        if stamp.is_some() && self.sample.is_none() && self.now >= self.next_sample {
            self.sample = stamp;
        }
    }

    /// All events of a wake-up have been handled.
    pub fn end_batch(&mut self, ring: &mut Ring) -> Result<(), Failure> {
        if let Some(stamp) = self.sample.take() {
            ring.submit()?;
            self.mailbox.times.record(wall_ns().saturating_sub(stamp));
            self.next_sample = self.now.saturating_add(SAMPLE_EVERY_NS);
        }
        if !self.bell_armed {
            self.watch_bell(ring)?;
        }
        let allocated = allocations::of_this_thread().wrapping_sub(self.allocated_at_start);
        self.mailbox.cells.allocations.set(allocated);
        let sources = self.strangers.remembered() as u64;
        self.mailbox.cells.sources.set(sources);
        Ok(())
    }

    fn watch_bell(&mut self, ring: &mut Ring) -> Result<(), Failure> {
        self.bell_armed = true;
        Ok(ring.watch(self.mailbox.bell())?)
    }
}

/// A drop for that reason, which teaches nothing.
pub fn refusal(reason: DropReason) -> Decision {
    Decision {
        verdict: Verdict::Drop(reason),
        learn: false,
    }
}

/// Why the kernel did not send a datagram.
pub fn send_error(errno: i32) -> DropReason {
    match errno {
        libc::EAGAIN => DropReason::SendWouldBlock,
        libc::ENOBUFS | libc::ENOMEM => DropReason::SendNoBuffers,
        libc::ECONNREFUSED | libc::ECONNRESET => DropReason::SendRefused,
        libc::ENETUNREACH
        | libc::EHOSTUNREACH
        | libc::ENETDOWN
        | libc::EHOSTDOWN
        | libc::EADDRNOTAVAIL => DropReason::SendUnreachable,
        libc::EMSGSIZE => DropReason::SendTooBig,
        libc::EPERM | libc::EACCES => DropReason::SendForbidden,
        _ => DropReason::SendOther,
    }
}
