//! How sockets are listened to: by message until a source is learned and connected to, then by
//! payload alone.
//!
//! Between the two the socket's queue is drained: what a stranger sent before the connect is still
//! in it, and without its source it could not be told apart. A receive that stops is started anew
//! as the socket's state then wants it.

use super::lanes::window_end;
use super::row::{Ear, Phase};
use super::worker::Worker;
use crate::engine::uring::common::Failure;
use crate::engine::uring::ring::Receive;
use crate::engine::uring::slots::unslot;

impl Worker {
    /// A receive reported its end: start the next one, unless the row is closing.
    pub(super) fn receive_ended(
        &mut self,
        at: u32,
        receive: Receive,
        errno: i32,
    ) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        let phase = row.phase;
        let socket = row.socket(flow);
        socket.ear = Ear::Shut;
        let cells = &self.common.mailbox.cells;
        let is_drained = receive == Receive::Drain && errno == libc::EAGAIN;
        match errno {
            0 | libc::ECANCELED => {}
            libc::ENOBUFS => cells.out_of_buffers.add(1),
            _ if is_drained => {}
            _ => cells.receive_errors.add(1),
        }
        if phase != Phase::Open {
            return self.go_on_closing(index);
        }
        if receive == Receive::Drain {
            socket.drained = is_drained && !socket.drain_found;
        }
        if receive == Receive::Payloads && !socket.bound_to_peer {
            self.ring.disconnect(at)?;
        }
        match errno {
            _ if socket.deaf => {}
            libc::ENOBUFS => self.starved.push(at),
            // The socket is not there, or the kernel does not know the operation: trying again
            // would never end.
            libc::EBADF | libc::ENOTSOCK | libc::EOPNOTSUPP | libc::EINVAL => {}
            _ => self.listen(at)?,
        }
        self.refresh_lanes(index);
        Ok(())
    }

    /// A connect is done.
    pub(super) fn connected(&mut self, at: u32, epoch: u8, ok: bool) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        let stamped = row.stamped;
        let socket = row.socket(flow);
        if !ok {
            self.common.mailbox.cells.connect_errors.add(1);
            return Ok(());
        }
        if socket.epoch != epoch {
            return Ok(());
        }
        socket.connected = true;
        socket.drained = false;
        if socket.ear == Ear::Open(Receive::Messages) && !stamped {
            socket.ear = Ear::Ending(Receive::Messages);
            self.ring.disarm(at, Receive::Messages)?;
        }
        self.refresh_lanes(index);
        Ok(())
    }

    /// Starts the receive that a socket's state wants.
    pub(super) fn listen(&mut self, at: u32) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        let receive = row.receive(flow);
        let socket = row.socket(flow);
        if socket.is_armed() || !socket.open {
            return Ok(());
        }
        socket.ear = Ear::Open(receive);
        socket.drain_found = false;
        self.common.mailbox.cells.rearmed.add(1);
        Ok(self.ring.arm(at, receive)?)
    }

    /// Starts the receives again that had found no buffer.
    pub(super) fn feed_starved(&mut self) -> Result<(), Failure> {
        if self.starved.is_empty() {
            return Ok(());
        }
        // Submitting gives the buffers of this batch back.
        self.ring.submit()?;
        while let Some(at) = self.starved.pop() {
            self.wake_ear(at)?;
        }
        Ok(())
    }

    /// Starts the receives again that were stopped for a flood, once the window has ended.
    pub(super) fn hear_again(&mut self) -> Result<(), Failure> {
        if self.deaf.is_empty() {
            self.deaf_until = None;
            return Ok(());
        }
        let until = *self.deaf_until.get_or_insert(window_end(self.common.now));
        if self.common.now < until {
            return Ok(());
        }
        self.deaf_until = None;
        while let Some(at) = self.deaf.pop() {
            let (index, flow) = unslot(at);
            if let Some(row) = self.table.get_mut(index) {
                row.socket(flow).deaf = false;
            }
            self.wake_ear(at)?;
        }
        Ok(())
    }

    /// Listens to a socket that nobody listens to; one whose receive is still ending goes on by
    /// itself.
    fn wake_ear(&mut self, at: u32) -> Result<(), Failure> {
        let (index, _) = unslot(at);
        let is_open = |row: &super::row::Row| row.phase == Phase::Open;
        if self.table.get(index).is_some_and(is_open) {
            self.listen(at)?;
            self.refresh_lanes(index);
        }
        Ok(())
    }
}
