//! A packet thread's commands: rows come, sides move, rows go.
//!
//! A row goes in three steps, since the ring holds its sockets for a while: its receives are
//! cancelled and report their end; its sockets are closed and report that; then the row is
//! reported as closed, and its ports are free.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_route::flow::{Component, FLOWS, Flow, Side};
use patchbay_route::pair::{PairId, Remote};

use super::row::{Ear, Phase, Row, SocketState};
use super::worker::Worker;
use crate::engine::cells::PairCells;
use crate::engine::inbox::Work;
use crate::engine::mailbox::{Command, Ports};
use crate::engine::uring::common::Failure;
use crate::engine::uring::control::ask_for_stamps;
use crate::engine::uring::ring::Receive;
use crate::engine::uring::slots::slot;
use crate::forward::Destination;

/// One row in so many has its datagrams stamped by the kernel, to sample the forwarding time.
const STAMPED_ROWS: u32 = 64;

impl Worker {
    /// Does what the mailbox asks for, as much as one wake-up may; the bell rings again if
    /// something is left.
    pub(super) fn obey(&mut self) -> Result<(), Failure> {
        // Packets that were handled before the bell leave first.
        self.ring.submit()?;
        self.common.inbox.begin(&self.common.mailbox);
        while let Some(work) = self.common.inbox.next(&self.common.mailbox) {
            match work {
                Work::Command(command) => self.obey_command(command)?,
                Work::Close(id) => {
                    if self.table.get(id.row()).is_some_and(|row| row.id == id) {
                        self.close_row(id.row())?;
                    }
                }
            }
        }
        if self.common.mailbox.is_stopping() && !self.common.stopping {
            self.common.stopping = true;
            for index in 0..self.table.end() {
                self.close_row(index)?;
            }
        }
        Ok(())
    }

    fn obey_command(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Open { id, ports, cells } => match ports {
                Ports::Bound(sockets) => self.open_row(id, &sockets, cells),
                Ports::Steered(_) => {
                    self.common.mailbox.report_closed(id.row());
                    Ok(())
                }
            },
            Command::SetRemote { id, side, remote } => self.set_remote(id, side, &remote),
            Command::Drill(drill) => drill.carry_out().map_err(|_| Failure::Asked),
        }
    }

    fn open_row(
        &mut self,
        id: PairId,
        sockets: &[OwnedFd; FLOWS],
        cells: Arc<PairCells>,
    ) -> Result<(), Failure> {
        let index = id.row();
        if self.table.get(index).is_some() {
            return Ok(());
        }
        let stamped = index.is_multiple_of(STAMPED_ROWS);
        if stamped {
            sockets.iter().for_each(ask_for_stamps);
        }
        if self.common.stopping
            || self
                .ring
                .register(slot(index, Flow::ALL[0]), sockets)
                .is_err()
        {
            self.common.mailbox.report_closed(index);
            return Ok(());
        }
        if self
            .table
            .insert(index, Row::new(id, cells, stamped))
            .is_err()
        {
            return Ok(());
        }
        self.common.mailbox.cells.pairs.set(self.table.len() as u64);
        self.refresh_lanes(index);
        for flow in Flow::ALL {
            if let Some(row) = self.table.get(index) {
                row.cells.hear_alone(flow);
            }
            self.listen(slot(index, flow))?;
        }
        Ok(())
    }

    fn set_remote(&mut self, id: PairId, side: Side, remote: &Remote) -> Result<(), Failure> {
        let (index, now) = (id.row(), self.common.now);
        let Some(row) = self.table.get_mut(index).filter(|row| row.id == id) else {
            return Ok(());
        };
        let heard = Component::ALL.map(|component| {
            let cells = row.cells.flow(Flow::new(side, component));
            cells.last.get()
        });
        let restarted = row.pair.set_remote(side, remote, now, heard);
        let media = Flow::new(side, Component::Rtp);
        row.cells.set_clock(media, row.pair.clock_hz(media));
        for component in Component::ALL {
            if !restarted[component.index()] {
                continue;
            }
            let flow = Flow::new(side, component);
            row.cells.flow(flow).learned.store(false, Ordering::Relaxed);
            if let Destination::At(address) = row.pair.destination(flow) {
                self.ring.set_address(slot(index, flow), address);
            }
            let socket = row.socket(flow);
            socket.connected = false;
            socket.drained = false;
            socket.epoch = socket.epoch.wrapping_add(1);
            let was_bound = std::mem::take(&mut socket.bound_to_peer);
            match socket.ear {
                // It is disconnected when this receive has ended: what it yields is its peer's.
                Ear::Open(Receive::Payloads) => {
                    socket.ear = Ear::Ending(Receive::Payloads);
                    self.ring.disarm(slot(index, flow), Receive::Payloads)?;
                }
                Ear::Ending(Receive::Payloads) => {}
                _ if was_bound => self.ring.disconnect(slot(index, flow))?,
                _ => {}
            }
        }
        self.refresh_lanes(index);
        Ok(())
    }

    fn close_row(&mut self, index: u32) -> Result<(), Failure> {
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        if row.phase != Phase::Open {
            return Ok(());
        }
        row.phase = Phase::Disarming;
        for flow in Flow::ALL {
            let socket = row.socket(flow);
            if let Ear::Open(receive) = socket.ear {
                socket.ear = Ear::Ending(receive);
                self.ring.disarm(slot(index, flow), receive)?;
            }
        }
        self.refresh_lanes(index);
        self.go_on_closing(index)
    }

    /// Closes the sockets of a row once none of its receives is under way.
    pub(super) fn go_on_closing(&mut self, index: u32) -> Result<(), Failure> {
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        if row.phase != Phase::Disarming || row.sockets.iter().any(SocketState::is_armed) {
            return Ok(());
        }
        row.phase = Phase::Closing;
        for flow in Flow::ALL {
            self.ring.close(slot(index, flow))?;
        }
        Ok(())
    }

    /// One of a row's sockets is gone; after the last one, so is the row.
    pub(super) fn socket_closed(&mut self, at: u32) {
        let (index, flow) = crate::engine::uring::slots::unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return;
        };
        row.socket(flow).open = false;
        if row.sockets.iter().any(|socket| socket.open) {
            return;
        }
        self.table.remove(index);
        self.common.mailbox.cells.pairs.set(self.table.len() as u64);
        self.common.mailbox.report_closed(index);
    }
}
