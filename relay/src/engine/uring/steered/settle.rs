//! What a packet thread tells the device: which flows are settled, and which need its hands.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use patchbay_route::flow::{Component, FLOWS, Flow, Side};
use patchbay_route::pair::Profile;
use patchbay_route::settled::{SettledFlow, Way};

use super::row::Row;
use super::worker::Worker;
use crate::engine::device::{Counted, DeviceFlows};
use crate::forward::Destination;

/// What the device has been told of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// What comes is the sockets' to judge; this source is expected.
    Up(Option<SocketAddr>),
    /// It is sent on.
    Settled(SettledFlow),
}

/// What the device has been told of a row, by flow index.
pub type ToldRow = [Told; FLOWS];

/// How a row's packets are sent on since a process before this one, by flow index.
pub type LeftRow = [Option<Way>; FLOWS];

impl Worker {
    /// Tells the device what has changed of a row.
    pub(super) fn refresh_device(&mut self, index: u32) {
        let Some(device) = self.device.clone() else {
            return;
        };
        if self.table.get(index).is_some_and(|row| row.left.is_some()) {
            return self.take_over(index, &device);
        }
        for flow in Flow::ALL {
            let Some(row) = self.table.get_mut(index) else {
                return;
            };
            let wanted = row.wanted(flow, self.doors.dscp());
            let (was, local) = (row.told(flow), row.local(flow));
            if was == wanted {
                continue;
            }
            let expected = row.pair.learned(flow).or_else(|| row.signalled(flow));
            // A settled flow is taken back before it is settled otherwise, so that what was
            // counted for it is not lost.
            let counted = match (was, wanted) {
                (Told::Nothing | Told::Up(_), Told::Settled(_)) => Counted::default(),
                _ => device.hand_up(local, expected),
            };
            self.take_in(index, flow, &counted);
            if let Some(row) = self.table.get_mut(index) {
                let told = match wanted {
                    Told::Settled(settled) if !row.settle_at(&device, flow, &settled) => {
                        Told::Up(expected)
                    }
                    told => told,
                };
                row.tell(flow, told);
            }
        }
    }

    /// What a process before this one has left at the ports of a new row; `None` if it is nothing.
    pub(super) fn left_of(&self, row: &Row) -> Option<Box<LeftRow>> {
        let device = self.device.as_ref()?;
        let left = Flow::ALL.map(|flow| device.way(row.local(flow)));
        left.iter().any(Option::is_some).then(|| Box::new(left))
    }

    /// Makes what was left of a row its own once it is known where both sides want their packets:
    /// the sources that were learned stay so, and what is sent on goes on being sent on, untouched
    /// if it is as it should be.
    fn take_over(&mut self, index: u32, device: &DeviceFlows) {
        let Some(row) = self.table.get_mut(index).filter(|row| row.is_signalled()) else {
            return;
        };
        let left = row.left.take().unwrap_or_default();
        for (flow, way) in Flow::ALL.into_iter().zip(left.iter()) {
            let Some(way) = way.filter(|way| row.is_from_across(flow, way)) else {
                continue;
            };
            row.pair.learn(flow, way.source);
            row.cells.flow(flow).learned.store(true, Ordering::Relaxed);
            self.space.cell(&row.ports[flow.index()]).lock(way.source);
        }
        for (flow, way) in Flow::ALL.into_iter().zip(left.iter()) {
            let Some(row) = self.table.get_mut(index) else {
                return;
            };
            device.adopted(row.local(flow));
            match (row.settled(flow, self.doors.dscp()), way) {
                (Some(wanted), Some(way))
                    if (wanted.source, wanted.from, wanted.to)
                        == (way.source, way.from, way.to) =>
                {
                    row.tell(flow, Told::Settled(wanted));
                }
                (_, Some(_)) => {
                    let counted = device.forget(row.local(flow));
                    self.take_in(index, flow, &counted);
                }
                (_, None) => {}
            }
        }
        self.refresh_lanes(index);
    }

    /// Has the device forget the ports of a row that is about to go.
    pub(super) fn leave_device(&mut self, index: u32) {
        let Some(device) = self.device.clone() else {
            return;
        };
        for flow in Flow::ALL {
            let Some(row) = self.table.get_mut(index) else {
                return;
            };
            let counted = device.forget(row.local(flow));
            row.tell(flow, Told::Nothing);
            self.take_in(index, flow, &counted);
        }
    }

    /// When a packet of a flow was last accepted, here or at the device, in nanoseconds of the
    /// engine's clock; 0: never.
    pub(super) fn last_heard(&self, row: &Row, flow: Flow) -> u64 {
        let here = row.cells.flow(flow).last.get();
        match (&self.device, row.told(flow)) {
            (Some(device), Told::Settled(_)) => here.max(device.counted(row.local(flow)).last),
            _ => here,
        }
    }

    /// Counts what the device has counted.
    fn take_in(&mut self, index: u32, flow: Flow, counted: &Counted) {
        let Some(row) = self.table.get(index) else {
            return;
        };
        counted.add_to(&row.cells, flow);
        if let Some(port) = row.ports.get(flow.index()) {
            self.space.cell(port).add_strangers(counted.strangers);
        }
    }
}

impl Row {
    /// Has a flow sent on at the device, which goes on hearing it; false if it stays here.
    fn settle_at(&self, device: &DeviceFlows, flow: Flow, settled: &SettledFlow) -> bool {
        let heard = self.cells.heard(flow);
        let taken = device.settle(settled, heard.for_another_clock());
        if taken {
            self.cells.set_heard(flow, &heard.lent());
        }
        taken
    }

    /// What the device is to know of a flow.
    fn wanted(&self, flow: Flow, dscp: Option<u8>) -> Told {
        match self.settled(flow, dscp) {
            Some(settled) => Told::Settled(settled),
            None => Told::Up(self.pair.learned(flow).or_else(|| self.signalled(flow))),
        }
    }

    /// A flow that needs nothing but new addresses.
    fn settled(&self, flow: Flow, dscp: Option<u8>) -> Option<SettledFlow> {
        let settled = self.pair.settled(flow)?;
        let Destination::At(to) = self.pair.destination(settled.out) else {
            return None;
        };
        Some(SettledFlow {
            local: self.local(flow),
            source: self.pair.learned(flow)?,
            from: self.local(settled.out),
            to,
            plain: self.pair.profile(flow.side) == Profile::Plain,
            dscp,
            is_rtp: flow.component == Component::Rtp,
            clock_hz: self.pair.clock_hz(flow),
        })
    }

    /// Whether both sides have said where they want their packets.
    fn is_signalled(&self) -> bool {
        Side::ALL.into_iter().all(|side| {
            let media = Flow::new(side, Component::Rtp);
            self.pair.destination(media) != Destination::Unknown
        })
    }

    /// Whether a flow's packets leave by a port of the other side.
    fn is_from_across(&self, flow: Flow, way: &Way) -> bool {
        let across = Component::ALL.map(|component| Flow::new(flow.side.other(), component));
        across.into_iter().any(|out| self.local(out) == way.from)
    }

    fn signalled(&self, flow: Flow) -> Option<SocketAddr> {
        match self.pair.destination(flow) {
            Destination::At(address) => Some(address),
            Destination::Unknown | Destination::Held => None,
        }
    }

    fn local(&self, flow: Flow) -> SocketAddr {
        self.ports[flow.index()].local
    }

    fn told(&self, flow: Flow) -> Told {
        self.told
            .as_ref()
            .map_or(Told::Nothing, |told| told[flow.index()])
    }

    fn tell(&mut self, flow: Flow, what: Told) {
        self.told.get_or_insert_default()[flow.index()] = what;
    }
}
