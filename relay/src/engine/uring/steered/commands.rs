//! A packet thread's commands: rows come, sides move, rows go.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_route::flow::{Component, FLOWS, Flow, Side};
use patchbay_route::pair::{PairId, Remote};

use super::row::Row;
use super::settle::LeftRow;
use super::worker::Worker;
use crate::engine::cells::PairCells;
use crate::engine::inbox::Work;
use crate::engine::mailbox::{Command, Ports};
use crate::engine::steering::SteeredPort;
use crate::engine::uring::common::Failure;
use crate::engine::uring::ring::Receive;

impl Worker {
    /// Does what the mailbox asks for, as much as one wake-up may; the bell rings again if
    /// something is left.
    pub(super) fn obey(&mut self) -> Result<(), Failure> {
        // Packets that were handled before the bell leave first.
        self.ring.submit()?;
        let mailbox = self.common.mailbox.clone();
        self.common.inbox.begin(&mailbox);
        while let Some(work) = self.common.inbox.next(&mailbox) {
            match work {
                Work::Command(command) => self.obey_command(command)?,
                Work::Close(id) => self.close_row(id),
            }
        }
        if mailbox.is_stopping() && !self.common.stopping {
            self.stop()?;
        }
        Ok(())
    }

    fn obey_command(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Open { id, ports, cells } => match ports {
                Ports::Steered(ports) => self.open_row(id, *ports, cells),
                Ports::Bound(_) => self.common.mailbox.report_closed(id.row()),
            },
            Command::SetRemote { id, side, remote } => self.set_remote(id, side, &remote),
            Command::Drill(drill) => drill.carry_out().map_err(|_| Failure::Asked)?,
        }
        Ok(())
    }

    fn open_row(&mut self, id: PairId, ports: [SteeredPort; FLOWS], cells: Arc<PairCells>) {
        let index = id.row();
        if self.table.get(index).is_some() {
            return;
        }
        let mut opened = ports
            .iter()
            .map(|port| self.doors.open(&mut self.ring, port));
        if self.common.stopping || opened.any(|opened| opened.is_err()) {
            self.common.mailbox.report_closed(index);
            return;
        }
        let mut row = Row::new(id, cells, ports);
        row.left = self.left_of(&row);
        for flow in Flow::ALL {
            let is_left = |left: &LeftRow| left[flow.index()].is_some();
            if !row.left.as_deref().is_some_and(is_left) {
                row.cells.hear_alone(flow);
            }
        }
        if self.table.insert(index, row).is_err() {
            return;
        }
        self.common.mailbox.cells.pairs.set(self.table.len() as u64);
        self.refresh_lanes(index);
    }

    fn set_remote(&mut self, id: PairId, side: Side, remote: &Remote) {
        let (index, now) = (id.row(), self.common.now);
        let Some(row) = self.table.get(index).filter(|row| row.id == id) else {
            return;
        };
        let heard =
            Component::ALL.map(|component| self.last_heard(row, Flow::new(side, component)));
        let Some(row) = self.table.get_mut(index) else {
            return;
        };
        let restarted = row.pair.set_remote(side, remote, now, heard);
        let media = Flow::new(side, Component::Rtp);
        row.cells.set_clock(media, row.pair.clock_hz(media));
        for component in Component::ALL {
            let flow = Flow::new(side, component);
            if let (true, Some(port)) = (restarted[component.index()], row.ports.get(flow.index()))
            {
                row.cells.flow(flow).learned.store(false, Ordering::Relaxed);
                self.space.cell(port).unlock();
            }
        }
        self.refresh_lanes(index);
    }

    fn close_row(&mut self, id: PairId) {
        if self.table.get(id.row()).is_some_and(|row| row.id == id) {
            self.remove_row(id.row());
        }
    }

    fn remove_row(&mut self, index: u32) {
        self.leave_device(index);
        let Some(row) = self.table.remove(index) else {
            return;
        };
        for port in &row.ports {
            self.space.cell(port).close();
        }
        self.refresh_lanes(index);
        self.common.mailbox.cells.pairs.set(self.table.len() as u64);
        self.common.mailbox.report_closed(index);
    }

    /// Closes all rows, and ends the receives.
    fn stop(&mut self) -> Result<(), Failure> {
        self.common.stopping = true;
        for index in 0..self.table.end() {
            self.remove_row(index);
        }
        for (receiver, hears) in (0..).zip(&self.hears) {
            if *hears {
                self.ring.disarm(receiver, Receive::Messages)?;
            }
        }
        Ok(())
    }
}
