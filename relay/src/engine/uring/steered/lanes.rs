//! The short way of a packet: what its flow's verdict comes to, kept by slot.
//!
//! A lane is open while its flow is settled. Whatever changes a row asks for its lanes to be made
//! anew.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

use patchbay_route::flow::Flow;
use patchbay_route::reception::ticks;
use patchbay_route::verdict::DropReason;

use super::head::{HEAD_BYTES, Head};
use super::worker::Worker;
use crate::engine::cells::PairCells;
use crate::engine::uring::buffers::Buffer;
use crate::engine::uring::message::Message;
use crate::engine::uring::slots::{slot, unslot};
use crate::forward::{Destination, Settled, same_address};

/// One port's lane.
#[derive(Debug)]
#[repr(align(64))]
pub struct Lane {
    source: SocketAddr,
    settled: Settled,
    /// The slot whose address it goes to, and the socket that sends.
    to: u32,
    door: u32,
    /// Of the flow's RTP timestamps.
    ticks: u32,
    head: Head,
    cells: Arc<PairCells>,
}

const _: () = assert!(size_of::<Option<Lane>>() == 64);

/// How a datagram goes on: everything that is read from it.
pub struct Ready {
    head: [u8; HEAD_BYTES],
    len: usize,
    stamp: Option<u64>,
    /// The DSCP that it came with, where that is kept.
    dscp: u8,
}

impl Lane {
    /// How a datagram of the port's flow goes on, if the verdict that is kept holds for it; it is
    /// heard then. `now` is the engine's clock.
    #[inline]
    pub fn ready(&self, flow: Flow, message: &Message<'_>, now: u64) -> Option<Ready> {
        let covered = same_address(self.source, message.source)
            && !message.truncated
            && self.settled.covers(message.payload);
        if !covered {
            return None;
        }
        self.cells.hear(flow, message.payload, now, self.ticks);
        Some(Ready {
            head: self.head.of(message.payload),
            len: message.payload.len(),
            stamp: message.control.stamp,
            dscp: message.control.dscp.unwrap_or(0),
        })
    }
}

impl Worker {
    /// Sends a datagram on by its lane.
    #[inline]
    pub(super) fn pass(&mut self, at: u32, ready: Ready, buffer: Buffer) {
        let mark = match ready.dscp {
            0 => 0,
            dscp => self.mark_of_lane(at, dscp),
        };
        let Some(Some(lane)) = self.lanes.get(at as usize) else {
            return self.ring.give_back(buffer);
        };
        let counters = lane.cells.flow(unslot(at).1);
        self.common.count_read(counters);
        let sent = self
            .ring
            .send_framed(lane.door + mark, lane.to, at, buffer, &ready.head);
        let end = sent.map_err(|_| DropReason::QueueFull);
        self.common.count_end(counters, ready.len, end);
        self.common.note_stamp(ready.stamp);
    }

    fn mark_of_lane(&mut self, at: u32, dscp: u8) -> u32 {
        let lane = self.lanes.get(at as usize).and_then(Option::as_ref);
        match lane.map(|lane| lane.settled.out) {
            Some(out) => self.mark(unslot(at).0, out, dscp),
            None => 0,
        }
    }

    /// How much further than a flow's usual socket the one is that sends with this DSCP; 0, unmarked,
    /// if there cannot be such a socket.
    pub(super) fn mark(&mut self, index: u32, out: Flow, dscp: u8) -> u32 {
        let row = self.table.get(index);
        let port = row.and_then(|row| row.ports.get(out.index()));
        let opened = port.map(|port| self.doors.open_marked(&mut self.ring, port, dscp));
        match opened {
            Some(Ok(())) => u32::from(dscp),
            Some(Err(_)) | None => 0,
        }
    }

    /// Makes a row's lanes anew, and sets where its packets go. To be called whenever something of
    /// the row has changed.
    pub(super) fn refresh_lanes(&mut self, index: u32) {
        for flow in Flow::ALL {
            let at = slot(index, flow);
            if let Some(to) = self.destination(index, flow) {
                self.ring.set_address(at, host(to));
            }
            let lane = self.lane(index, flow);
            let at = at as usize;
            if at >= self.lanes.len() {
                // Within the capacity: rows are bounded when the thread starts.
                self.lanes.resize_with(at + 1, || None);
            }
            if let Some(place) = self.lanes.get_mut(at) {
                *place = lane;
            }
        }
        self.refresh_device(index);
    }

    fn destination(&self, index: u32, out: Flow) -> Option<SocketAddr> {
        match self.table.get(index)?.pair.destination(out) {
            Destination::At(to) => Some(to),
            Destination::Unknown | Destination::Held => None,
        }
    }

    fn lane(&self, index: u32, flow: Flow) -> Option<Lane> {
        let row = self.table.get(index)?;
        let settled = row.pair.settled(flow)?;
        let (door, head) = self.way_out(index, settled.out)?;
        Some(Lane {
            source: row.pair.learned(flow)?,
            settled,
            to: slot(index, settled.out),
            door,
            ticks: ticks(row.pair.clock_hz(flow)),
            head,
            cells: row.cells.clone(),
        })
    }

    /// The socket that sends for a flow's port, and the header of what it sends.
    pub(super) fn way_out(&self, index: u32, out: Flow) -> Option<(u32, Head)> {
        let to = self.destination(index, out)?;
        let port = self.table.get(index)?.ports.get(out.index())?;
        Some((self.doors.of(port), Head::new(port.local, to)?))
    }
}

/// An address without its port, which is in the packet: a raw IPv6 socket refuses to be told one.
fn host(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(to) => SocketAddrV4::new(*to.ip(), 0).into(),
        SocketAddr::V6(to) => SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id()).into(),
    }
}
