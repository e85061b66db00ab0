//! What a packet thread does: events in, verdicts, sends out, counters.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_route::verdict::{Decision, DropReason, Verdict};

use super::buffers::Buffer;
use super::ring::{Event, Ring, To};
use super::row::{Phase, Row, slot, unslot};
use crate::engine::allocations;
use crate::engine::clock::{Clock, wall_ns};
use crate::engine::mailbox::Mailbox;
use crate::forward::{Datagram, forward};
use crate::strangers::Strangers;
use crate::table::Table;

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

/// A packet thread's all.
pub struct Worker {
    pub(super) ring: Ring,
    pub(super) table: Table<Row>,
    pub(super) mailbox: Arc<Mailbox>,
    /// Slots whose receive found no buffer; to be armed when there are some again.
    pub(super) starved: Vec<u32>,
    pub(super) stopping: bool,
    pub(super) bell_armed: bool,
    pub(super) now: u64,
    clock: Clock,
    strangers: Strangers,
    /// When the kernel got the datagram that is this batch's sample.
    sample: Option<u64>,
    next_sample: u64,
    allocated_at_start: u64,
}

impl Worker {
    /// A worker with an empty table of that many rows.
    pub fn new(ring: Ring, rows: usize, mailbox: Arc<Mailbox>, clock: Clock) -> Worker {
        Worker {
            ring,
            table: Table::with_capacity(rows),
            mailbox,
            starved: Vec::with_capacity(rows * patchbay_route::flow::FLOWS),
            stopping: false,
            bell_armed: false,
            now: clock.now(),
            clock,
            strangers: Strangers::new(RandomState::new().hash_one(rows)),
            sample: None,
            next_sample: 0,
            allocated_at_start: 0,
        }
    }

    /// Works until asked to stop and everything is closed.
    ///
    /// # Errors
    /// [`Failure`] if it cannot go on. Its calls are lost then.
    pub fn run(mut self) -> Result<(), Failure> {
        self.watch_bell()?;
        self.allocated_at_start = allocations::of_this_thread();
        while !(self.stopping && self.table.is_empty()) {
            self.ring.wait()?;
            self.now = self.clock.now();
            self.mailbox.cells.batches.add(1);
            while let Some(event) = self.ring.next() {
                self.handle(event)?;
            }
            self.end_batch()?;
        }
        self.dismantle()
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Received {
                slot,
                outcome,
                armed,
            } => {
                let errno = match outcome {
                    Ok(buffer) => {
                        self.datagram(slot, buffer)?;
                        0
                    }
                    Err(errno) => errno,
                };
                if !armed {
                    self.receive_ended(slot, errno)?;
                }
            }
            Event::SendFailed { from, errno } => self.count_drop(from, send_error(errno)),
            Event::Connected { slot, epoch, ok } => self.connected(slot, epoch, ok),
            Event::Closed { slot } => self.socket_closed(slot),
            Event::Woken { armed } => {
                self.bell_armed = armed;
                self.obey()?;
            }
            Event::Other => {}
        }
        Ok(())
    }

    /// A datagram arrived: ask for the verdict and carry it out.
    fn datagram(&mut self, at: u32, buffer: Buffer) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            self.ring.give_back(buffer);
            return Ok(());
        };
        let cells = &self.mailbox.cells;
        let counters = row.cells.flow(flow);
        counters.received.add(1);
        cells.received.add(1);
        let (decision, source, len) = match self.ring.message(&buffer) {
            Some(message) if row.phase == Phase::Open => {
                let datagram = Datagram {
                    source: message.source,
                    len: message.payload.len(),
                    truncated: message.truncated,
                    first_byte: message.payload.first().copied(),
                    second_byte: message.payload.get(1).copied(),
                };
                if message.stamp.is_some() && self.sample.is_none() && self.now >= self.next_sample
                {
                    self.sample = message.stamp;
                }
                (
                    forward(&row.pair, flow, &datagram, self.now, &mut self.strangers),
                    Some(datagram.source),
                    datagram.len,
                )
            }
            Some(_) => (refusal(DropReason::Closing), None, 0),
            None => (refusal(DropReason::Unreadable), None, 0),
        };
        if let (true, Some(source)) = (decision.learn, source) {
            row.pair.learn(flow, source);
            // A side that receives elsewhere keeps its address and an unconnected socket.
            if row.pair.is_symmetric(flow.side) {
                let socket = row.socket(flow);
                socket.epoch = socket.epoch.wrapping_add(1);
                socket.bound_to_peer = true;
                let epoch = socket.epoch;
                self.ring.set_address(at, source);
                self.ring.connect(at, epoch)?;
            }
            row.cells.flow(flow).learned.store(true, Ordering::Relaxed);
            cells.learned.add(1);
        }
        let counters = row.cells.flow(flow);
        match decision.verdict {
            Verdict::Forward(out) => {
                let to = if row.sockets[out.index()].connected {
                    To::Peer
                } else {
                    To::Address
                };
                if self.ring.send(slot(index, out), at, buffer, to).is_err() {
                    counters.drops.of(DropReason::QueueFull).add(1);
                    cells.drops.of(DropReason::QueueFull).add(1);
                    return Ok(());
                }
                counters.accepted.add(1);
                counters.bytes.add(len as u64);
                counters.last.set(self.now);
                cells.accepted.add(1);
                cells.bytes.add(len as u64);
            }
            Verdict::Drop(reason) => {
                self.ring.give_back(buffer);
                counters.drops.of(reason).add(1);
                cells.drops.of(reason).add(1);
            }
        }
        Ok(())
    }

    /// The kernel ended a receive: start it anew, unless the row is closing.
    fn receive_ended(&mut self, at: u32, errno: i32) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        row.socket(flow).armed = false;
        let cells = &self.mailbox.cells;
        match errno {
            0 | libc::ECANCELED => {}
            libc::ENOBUFS => cells.out_of_buffers.add(1),
            _ => cells.receive_errors.add(1),
        }
        if row.phase != Phase::Open {
            return self.go_on_closing(index);
        }
        match errno {
            libc::ENOBUFS => self.starved.push(at),
            // The socket is not there, or the kernel does not know the operation: trying again
            // would never end.
            libc::EBADF | libc::ENOTSOCK | libc::EOPNOTSUPP | libc::EINVAL => {}
            _ => {
                cells.rearmed.add(1);
                row.socket(flow).armed = true;
                self.ring.arm(at)?;
            }
        }
        Ok(())
    }

    fn connected(&mut self, at: u32, epoch: u8, ok: bool) {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return;
        };
        let socket = row.socket(flow);
        if !ok {
            self.mailbox.cells.connect_errors.add(1);
        } else if socket.epoch == epoch {
            socket.connected = true;
        }
    }

    fn count_drop(&mut self, from: u32, reason: DropReason) {
        let (index, flow) = unslot(from);
        if let Some(row) = self.table.get(index) {
            row.cells.flow(flow).drops.of(reason).add(1);
        }
        self.mailbox.cells.drops.of(reason).add(1);
    }

    /// All events of a wake-up have been handled.
    fn end_batch(&mut self) -> Result<(), Failure> {
        if let Some(stamp) = self.sample.take() {
            self.ring.submit()?;
            self.mailbox.times.record(wall_ns().saturating_sub(stamp));
            self.next_sample = self.now.saturating_add(SAMPLE_EVERY_NS);
        }
        if !self.starved.is_empty() {
            // Submitting gives the buffers of this batch back.
            self.ring.submit()?;
            while let Some(at) = self.starved.pop() {
                let (index, flow) = unslot(at);
                let Some(row) = self.table.get_mut(index) else {
                    continue;
                };
                if row.phase == Phase::Open && !row.socket(flow).armed {
                    row.socket(flow).armed = true;
                    self.mailbox.cells.rearmed.add(1);
                    self.ring.arm(at)?;
                }
            }
        }
        if !self.bell_armed {
            self.watch_bell()?;
        }
        let allocated = allocations::of_this_thread().wrapping_sub(self.allocated_at_start);
        self.mailbox.cells.allocations.set(allocated);
        Ok(())
    }

    fn watch_bell(&mut self) -> Result<(), Failure> {
        self.bell_armed = true;
        Ok(self.ring.watch(self.mailbox.bell())?)
    }
}

fn refusal(reason: DropReason) -> Decision {
    Decision {
        verdict: Verdict::Drop(reason),
        learn: false,
    }
}

/// Why the kernel did not send a datagram.
fn send_error(errno: i32) -> DropReason {
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
