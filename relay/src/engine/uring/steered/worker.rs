//! What a packet thread does: events in, verdicts, sends out, counters.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::reception::ticks;
use patchbay_route::verdict::{DropReason, Verdict};

use super::doors::Doors;
use super::lanes::{Lane, Ready};
use super::row::Row;
use crate::engine::device::DeviceFlows;
use crate::engine::steering::Space;
use crate::engine::uring::buffers::Buffer;
use crate::engine::uring::common::{Common, Failure, send_error};
use crate::engine::uring::ring::{Event, Receive, Ring};
use crate::engine::uring::slots::{slot, unslot};
use crate::engine::uring::thread::Steered;
use crate::forward::{Datagram, forward};
use crate::table::Table;

/// A packet thread's all.
pub struct Worker {
    pub(super) ring: Ring,
    pub(super) table: Table<Row>,
    pub(super) common: Common,
    pub(super) space: Arc<Space>,
    pub(super) doors: Doors,
    /// The flows that are sent on at a device, if there is one.
    pub(super) device: Option<Arc<DeviceFlows>>,
    /// Its number.
    pub(super) thread: u32,
    /// By slot, as far as rows have been used.
    pub(super) lanes: Vec<Option<Lane>>,
    /// Whether the receivers are listened to.
    pub(super) hears: Vec<bool>,
}

impl Worker {
    /// A worker with an empty table of that many rows, whose receivers stand first in the ring's
    /// table.
    pub fn new(
        ring: Ring,
        rows: usize,
        common: Common,
        steered: &Steered,
        thread: usize,
    ) -> Worker {
        Worker {
            ring,
            table: Table::with_capacity(rows),
            common,
            space: steered.space.clone(),
            doors: Doors::new(steered.dscp),
            device: steered.device.clone(),
            thread: u32::try_from(thread).unwrap_or(u32::MAX),
            lanes: Vec::with_capacity(rows * FLOWS),
            hears: vec![false; steered.receivers.len()],
        }
    }

    /// Works until asked to stop and everything is closed.
    ///
    /// # Errors
    /// [`Failure`] if it cannot go on. Its calls are lost then.
    pub fn run(mut self) -> Result<(), Failure> {
        self.common.begin(&mut self.ring)?;
        self.listen()?;
        while !self.common.stopping || self.hears.contains(&true) {
            self.ring.wait(None)?;
            self.common.wake();
            // Packets of rows that have changed go by what was asked for before they came.
            if !self.common.mailbox.is_empty() {
                self.obey()?;
            }
            while let Some(event) = self.ring.next() {
                self.handle(event)?;
            }
            self.common.end_batch(&mut self.ring)?;
            if !self.common.stopping {
                self.listen()?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Received {
                slot: receiver,
                outcome,
                armed,
                ..
            } => {
                let errno = match outcome {
                    Ok(buffer) => {
                        self.received(buffer)?;
                        0
                    }
                    Err(errno) => errno,
                };
                if !armed {
                    self.receive_ended(receiver, errno)?;
                }
            }
            Event::SendFailed { from, errno } => self.count_drop(from, send_error(errno)),
            Event::Woken { armed } => {
                self.common.bell_armed = armed;
                self.obey()?;
            }
            Event::Connected { .. } | Event::Closed { .. } | Event::Other => {}
        }
        Ok(())
    }

    /// Listens to the receivers that are not listened to. The first wake-up after their buffers
    /// ran out has given some back.
    fn listen(&mut self) -> Result<(), Failure> {
        if !self.hears.contains(&false) {
            return Ok(());
        }
        self.ring.submit()?;
        for (receiver, hears) in (0..).zip(&mut self.hears) {
            if !*hears {
                *hears = true;
                self.common.mailbox.cells.rearmed.add(1);
                self.ring.arm(receiver, Receive::Messages)?;
            }
        }
        Ok(())
    }

    fn receive_ended(&mut self, receiver: u32, errno: i32) -> Result<(), Failure> {
        if let Some(hears) = self.hears.get_mut(receiver as usize) {
            *hears = false;
        }
        let cells = &self.common.mailbox.cells;
        match errno {
            0 | libc::ECANCELED => {}
            libc::ENOBUFS => cells.out_of_buffers.add(1),
            // The socket is not there, or the kernel does not know the operation: trying again
            // would never end.
            libc::EBADF | libc::ENOTSOCK | libc::EOPNOTSUPP | libc::EINVAL => {
                return Err(io::Error::from_raw_os_error(errno).into());
            }
            _ => cells.receive_errors.add(1),
        }
        Ok(())
    }

    /// A datagram arrived: by its lane if that is open, else by asking for the verdict.
    #[inline]
    fn received(&mut self, buffer: Buffer) -> Result<(), Failure> {
        match self.read(&buffer) {
            Ok((at, Some(ready))) => self.pass(at, ready, buffer),
            Ok((at, None)) => {
                if self.table.get(unslot(at).0).is_none() {
                    // The port has been opened; the command for it waits in the mailbox.
                    self.obey()?;
                }
                self.datagram(at, buffer)?;
            }
            Err(reason) => self.refuse(buffer, reason),
        }
        Ok(())
    }

    /// Drops a datagram that belongs to no row.
    fn refuse(&mut self, buffer: Buffer, reason: DropReason) {
        self.ring.give_back(buffer);
        let cells = &self.common.mailbox.cells;
        cells.received.add(1);
        cells.drops.of(reason).add(1);
    }

    /// Which flow a datagram is of, and how it goes on if its lane is open.
    #[inline]
    fn read(&self, buffer: &Buffer) -> Result<(u32, Option<Ready>), DropReason> {
        let message = self.ring.message(buffer).ok_or(DropReason::Unreadable)?;
        let local = message.control.local.ok_or(DropReason::Unreadable)?;
        let at = self.space.slot_of(local, self.thread);
        let at = at.ok_or(DropReason::Closing)?;
        let lane = self.lanes.get(at as usize).and_then(Option::as_ref);
        let (flow, now) = (unslot(at).1, self.common.now);
        Ok((at, lane.and_then(|lane| lane.ready(flow, &message, now))))
    }

    /// Asks for the verdict on a datagram and carries it out.
    fn datagram(&mut self, at: u32, buffer: Buffer) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let (Some(row), Some(message)) = (self.table.get_mut(index), self.ring.message(&buffer))
        else {
            self.refuse(buffer, DropReason::Closing);
            return Ok(());
        };
        self.common.count_read(row.cells.flow(flow));
        self.common.note_stamp(message.control.stamp);
        let datagram = Datagram {
            source: message.source,
            len: message.payload.len(),
            truncated: message.truncated,
            first_byte: message.payload.first().copied(),
            second_byte: message.payload.get(1).copied(),
        };
        let decision = forward(
            &row.pair,
            flow,
            &datagram,
            self.common.now,
            &mut self.common.strangers,
        );
        if row.pair.is_source(flow, datagram.source, &decision) {
            // Before it is learned: what the device takes over then follows on this one.
            let (now, ticks) = (self.common.now, ticks(row.pair.clock_hz(flow)));
            row.cells.hear(flow, message.payload, now, ticks);
        }
        if decision.learn {
            self.learn(at, datagram.source);
        }
        self.carry_out(at, decision.verdict, buffer, datagram.len);
        Ok(())
    }

    /// Locks a flow to its source, here and in the kernel.
    fn learn(&mut self, at: u32, source: SocketAddr) {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return;
        };
        row.pair.learn(flow, source);
        row.cells.flow(flow).learned.store(true, Ordering::Relaxed);
        if let Some(port) = row.ports.get(flow.index()) {
            self.space.cell(port).lock(source);
        }
        self.common.mailbox.cells.learned.add(1);
        self.refresh_lanes(index);
    }

    /// Sends a datagram on, or drops it.
    fn carry_out(&mut self, at: u32, verdict: Verdict, buffer: Buffer, len: usize) {
        let sent = match verdict {
            Verdict::Forward(out) => self.send(at, out, buffer),
            Verdict::Drop(reason) => {
                self.ring.give_back(buffer);
                Err(reason)
            }
        };
        let (index, flow) = unslot(at);
        if let Some(row) = self.table.get(index) {
            self.common.count_end(row.cells.flow(flow), len, sent);
        }
    }

    /// Sends a datagram that arrived at `at` out of a flow's port, or says why not.
    fn send(&mut self, at: u32, out: Flow, buffer: Buffer) -> Result<(), DropReason> {
        let index = unslot(at).0;
        let dscp = self
            .ring
            .message(&buffer)
            .and_then(|message| message.control.dscp);
        let mark = self.mark(index, out, dscp.unwrap_or(0));
        let way = self.way_out(index, out);
        let payload = self.ring.message(&buffer).map(|message| message.payload);
        let (Some((door, head)), Some(payload)) = (way, payload) else {
            self.ring.give_back(buffer);
            return Err(DropReason::RemoteUnknown);
        };
        let (to, head) = (slot(index, out), head.of(payload));
        let sent = self.ring.send_framed(door + mark, to, at, buffer, &head);
        sent.map_err(|_| DropReason::QueueFull)
    }

    fn count_drop(&self, from: u32, reason: DropReason) {
        let (index, flow) = unslot(from);
        if let Some(row) = self.table.get(index) {
            row.cells.flow(flow).drops.of(reason).add(1);
        }
        self.common.mailbox.cells.drops.of(reason).add(1);
    }
}
