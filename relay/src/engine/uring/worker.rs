//! What a packet thread does: events in, verdicts, sends out, counters.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::verdict::{Decision, DropReason, Verdict};

use super::buffers::Buffer;
use super::lanes::Lane;
use super::ring::{Event, Receive, Ring, To};
use super::row::{Phase, Row, slot, unslot};
use crate::engine::allocations;
use crate::engine::clock::{Clock, wall_ns};
use crate::engine::inbox::Inbox;
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
    pub(super) inbox: Inbox,
    /// Slots whose receive found no buffer; to be armed when there are some again.
    pub(super) starved: Vec<u32>,
    /// Slots that are not listened to for a while, since they took in too much.
    pub(super) deaf: Vec<u32>,
    /// When they are listened to again, in nanoseconds of the engine's clock.
    pub(super) deaf_until: Option<u64>,
    /// By slot, as far as rows have been used.
    pub(super) lanes: Vec<Lane>,
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
            inbox: Inbox::default(),
            starved: Vec::with_capacity(rows * FLOWS),
            deaf: Vec::with_capacity(rows * FLOWS),
            deaf_until: None,
            lanes: Vec::with_capacity(rows * FLOWS),
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
            let until = self.deaf_until.map(|until| until.saturating_sub(self.now));
            self.ring.wait(until)?;
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
                receive,
                outcome,
                armed,
            } => {
                let errno = match outcome {
                    Ok(buffer) => {
                        self.received(slot, receive, buffer)?;
                        0
                    }
                    Err(errno) => errno,
                };
                if !armed {
                    self.receive_ended(slot, receive, errno)?;
                }
            }
            Event::SendFailed { from, errno } => self.count_drop(from, send_error(errno)),
            Event::Connected { slot, epoch, ok } => self.connected(slot, epoch, ok)?,
            Event::Closed { slot } => self.socket_closed(slot),
            Event::Woken { armed } => {
                self.bell_armed = armed;
                self.obey()?;
            }
            Event::Other => {}
        }
        Ok(())
    }

    /// A datagram arrived: by its lane if that is open, else by asking for the verdict.
    #[inline]
    fn received(&mut self, at: u32, receive: Receive, buffer: Buffer) -> Result<(), Failure> {
        if receive != Receive::Payloads {
            return self.datagram(at, receive, buffer);
        }
        match self.pass(at, buffer)? {
            Some(buffer) => self.datagram(at, receive, buffer),
            None => Ok(()),
        }
    }

    /// Asks for the verdict on a datagram and carries it out.
    fn datagram(&mut self, at: u32, receive: Receive, buffer: Buffer) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            self.ring.give_back(buffer);
            return Ok(());
        };
        row.cells.flow(flow).received.add(1);
        self.mailbox.cells.received.add(1);
        row.socket(flow).drain_found |= receive == Receive::Drain;
        let (datagram, stamp) = read(&self.ring, row, flow, receive, &buffer);
        if stamp.is_some() && self.sample.is_none() && self.now >= self.next_sample {
            self.sample = stamp;
        }
        let decision = match &datagram {
            Some(_) if row.phase != Phase::Open => refusal(DropReason::Closing),
            Some(datagram) => forward(&row.pair, flow, datagram, self.now, &mut self.strangers),
            None => refusal(DropReason::Unreadable),
        };
        if let (true, Some(datagram)) = (decision.learn, &datagram) {
            self.learn(at, datagram.source)?;
        }
        let len = datagram.map_or(0, |datagram| datagram.len);
        let dropped = self.carry_out(at, decision.verdict, buffer, len);
        self.note_taken(at, dropped)
    }

    /// Locks a flow to its source.
    fn learn(&mut self, at: u32, source: SocketAddr) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        row.pair.learn(flow, source);
        row.cells.flow(flow).learned.store(true, Ordering::Relaxed);
        self.mailbox.cells.learned.add(1);
        // A side that receives elsewhere keeps its address and an unconnected socket.
        if row.pair.is_symmetric(flow.side) {
            let socket = row.socket(flow);
            socket.epoch = socket.epoch.wrapping_add(1);
            socket.bound_to_peer = true;
            socket.peer = Some(source);
            let epoch = socket.epoch;
            self.ring.set_address(at, source);
            self.ring.connect(at, epoch)?;
        }
        Ok(())
    }

    /// Sends a datagram on, or drops it; says whether it was dropped.
    fn carry_out(&mut self, at: u32, verdict: Verdict, buffer: Buffer, len: usize) -> bool {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            self.ring.give_back(buffer);
            return true;
        };
        let (cells, counters) = (&self.mailbox.cells, row.cells.flow(flow));
        let out = match verdict {
            Verdict::Forward(out) => out,
            Verdict::Drop(reason) => {
                self.ring.give_back(buffer);
                counters.drops.of(reason).add(1);
                cells.drops.of(reason).add(1);
                return true;
            }
        };
        let to = match row.sockets[out.index()].connected {
            true => To::Peer,
            false => To::Address,
        };
        if self.ring.send(slot(index, out), at, buffer, to).is_err() {
            counters.drops.of(DropReason::QueueFull).add(1);
            cells.drops.of(DropReason::QueueFull).add(1);
            return true;
        }
        counters.accepted.add(1);
        counters.bytes.add(len as u64);
        counters.last.set(self.now);
        cells.accepted.add(1);
        cells.bytes.add(len as u64);
        false
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
        self.feed_starved()?;
        self.hear_again()?;
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

/// What a buffer holds, as far as the verdict depends on it, and when the kernel got it.
fn read(
    ring: &Ring,
    row: &Row,
    flow: Flow,
    receive: Receive,
    buffer: &Buffer,
) -> (Option<Datagram>, Option<u64>) {
    let datagram = |source, payload: &[u8], truncated| Datagram {
        source,
        len: payload.len(),
        truncated,
        first_byte: payload.first().copied(),
        second_byte: payload.get(1).copied(),
    };
    if receive == Receive::Payloads {
        let peer = row.sockets[flow.index()].peer;
        return (
            peer.map(|peer| datagram(peer, ring.payload(buffer), false)),
            None,
        );
    }
    match ring.message(buffer) {
        Some(message) => (
            Some(datagram(message.source, message.payload, message.truncated)),
            message.stamp,
        ),
        None => (None, None),
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
