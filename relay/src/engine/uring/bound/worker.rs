//! What a packet thread does: events in, verdicts, sends out, counters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::reception::ticks;
use patchbay_route::verdict::{DropReason, Verdict};

use super::lanes::Lane;
use super::row::{Phase, Row};
use crate::engine::clock::Clock;
use crate::engine::inbox::Costs;
use crate::engine::mailbox::Mailbox;
use crate::engine::uring::buffers::Buffer;
use crate::engine::uring::common::{Common, Failure, refusal, send_error};
use crate::engine::uring::ring::{Event, Receive, Ring, To};
use crate::engine::uring::slots::{slot, unslot};
use crate::forward::{Datagram, forward};
use crate::table::Table;

/// A packet thread's all.
pub struct Worker {
    pub(super) ring: Ring,
    pub(super) table: Table<Row>,
    pub(super) common: Common,
    /// Slots whose receive found no buffer; to be armed when there are some again.
    pub(super) starved: Vec<u32>,
    /// Slots that are not listened to for a while, since they took in too much.
    pub(super) deaf: Vec<u32>,
    /// When they are listened to again, in nanoseconds of the engine's clock.
    pub(super) deaf_until: Option<u64>,
    /// By slot, as far as rows have been used.
    pub(super) lanes: Vec<Lane>,
}

impl Worker {
    /// A worker with an empty table of that many rows.
    pub fn new(ring: Ring, rows: usize, mailbox: Arc<Mailbox>, clock: Clock) -> Worker {
        Worker {
            ring,
            table: Table::with_capacity(rows),
            common: Common::new(rows, mailbox, clock, Costs::Sockets),
            starved: Vec::with_capacity(rows * FLOWS),
            deaf: Vec::with_capacity(rows * FLOWS),
            deaf_until: None,
            lanes: Vec::with_capacity(rows * FLOWS),
        }
    }

    /// Works until asked to stop and everything is closed.
    ///
    /// # Errors
    /// [`Failure`] if it cannot go on. Its calls are lost then.
    pub fn run(mut self) -> Result<(), Failure> {
        self.common.begin(&mut self.ring)?;
        while !(self.common.stopping && self.table.is_empty()) {
            let until = self
                .deaf_until
                .map(|until| until.saturating_sub(self.common.now));
            self.ring.wait(until)?;
            self.common.wake();
            while let Some(event) = self.ring.next() {
                self.handle(event)?;
            }
            self.feed_starved()?;
            self.hear_again()?;
            self.common.end_batch(&mut self.ring)?;
        }
        Ok(())
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
                self.common.bell_armed = armed;
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
        self.common.count_read(row.cells.flow(flow));
        row.socket(flow).drain_found |= receive == Receive::Drain;
        let (datagram, payload, stamp) = read(&self.ring, row, flow, receive, &buffer);
        self.common.note_stamp(stamp);
        let decision = match &datagram {
            Some(_) if row.phase != Phase::Open => refusal(DropReason::Closing),
            Some(datagram) => forward(
                &row.pair,
                flow,
                datagram,
                self.common.now,
                &mut self.common.strangers,
            ),
            None => refusal(DropReason::Unreadable),
        };
        if let Some(datagram) = &datagram
            && row.pair.is_source(flow, datagram.source, &decision)
        {
            let ticks = ticks(row.pair.clock_hz(flow));
            row.cells.hear(flow, payload, self.common.now, ticks);
        }
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
        self.common.mailbox.cells.learned.add(1);
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
        let Some(row) = self.table.get(index) else {
            self.ring.give_back(buffer);
            return true;
        };
        let end = match verdict {
            Verdict::Drop(reason) => {
                self.ring.give_back(buffer);
                Err(reason)
            }
            Verdict::Forward(out) => {
                let to = match row.sockets[out.index()].connected {
                    true => To::Peer,
                    false => To::Address,
                };
                let sent = self.ring.send(slot(index, out), at, buffer, to);
                sent.map_err(|_| DropReason::QueueFull)
            }
        };
        self.common.count_end(row.cells.flow(flow), len, end);
        end.is_err()
    }

    fn count_drop(&mut self, from: u32, reason: DropReason) {
        let (index, flow) = unslot(from);
        if let Some(row) = self.table.get(index) {
            row.cells.flow(flow).drops.of(reason).add(1);
        }
        self.common.mailbox.cells.drops.of(reason).add(1);
    }
}

/// What a buffer holds, as far as the verdict depends on it, its payload, and when the kernel got
/// it.
fn read<'a>(
    ring: &'a Ring,
    row: &Row,
    flow: Flow,
    receive: Receive,
    buffer: &'a Buffer,
) -> (Option<Datagram>, &'a [u8], Option<u64>) {
    let datagram = |source, payload: &[u8], truncated| Datagram {
        source,
        len: payload.len(),
        truncated,
        first_byte: payload.first().copied(),
        second_byte: payload.get(1).copied(),
    };
    if receive == Receive::Payloads {
        let (peer, payload) = (row.sockets[flow.index()].peer, ring.payload(buffer));
        let datagram = peer.map(|peer| datagram(peer, payload, false));
        return (datagram, payload, None);
    }
    match ring.message(buffer) {
        Some(message) => (
            Some(datagram(message.source, message.payload, message.truncated)),
            message.payload,
            message.control.stamp,
        ),
        None => (None, &[], None),
    }
}
