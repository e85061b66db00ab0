//! The short way of a packet: what its flow's verdict comes to, kept by slot.
//!
//! A lane is open while its flow is settled. Whatever changes a row asks for its lanes to be made
//! anew.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

use patchbay_route::flow::Flow;
use patchbay_route::verdict::DropReason;

use super::doors::Doors;
use super::head::MAX_HEAD_BYTES;
use super::path::Path;
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
    path: Path,
    cells: Arc<PairCells>,
}

/// How a datagram goes on: everything that is read from it.
pub struct Ready {
    head: [u8; MAX_HEAD_BYTES],
    head_len: usize,
    len: usize,
    stamp: Option<u64>,
}

impl Lane {
    /// How a datagram goes on, if the verdict that is kept holds for it.
    #[inline]
    pub fn ready(&self, message: &Message<'_>) -> Option<Ready> {
        let len = message.payload.len();
        let covered = same_address(self.source, message.source)
            && !message.truncated
            && self.settled.covers(message.payload)
            && self.path.takes(len);
        let head = self.path.head();
        covered.then(|| Ready {
            head: head.of(message.payload),
            head_len: head.len(),
            len,
            stamp: message.control.stamp,
        })
    }
}

impl Worker {
    /// Sends a datagram on by its lane.
    #[inline]
    pub(super) fn pass(&mut self, at: u32, ready: &Ready, buffer: Buffer) {
        let Some(Some(lane)) = self.lanes.get(at as usize) else {
            return self.ring.give_back(buffer);
        };
        let cells = &self.common.mailbox.cells;
        let counters = lane.cells.flow(unslot(at).1);
        counters.received.add(1);
        cells.received.add(1);
        let head = ready.head.get(..ready.head_len).unwrap_or_default();
        let sent = self.ring.send_framed(lane.door, lane.to, at, buffer, head);
        if sent.is_err() {
            counters.drops.of(DropReason::QueueFull).add(1);
            cells.drops.of(DropReason::QueueFull).add(1);
        } else {
            counters.accepted.add(1);
            counters.bytes.add(ready.len as u64);
            counters.last.set(self.common.now);
            cells.accepted.add(1);
            cells.bytes.add(ready.len as u64);
        }
        self.common.note_stamp(ready.stamp);
    }

    /// Makes a row's paths and lanes anew. To be called whenever something of the row has changed.
    pub(super) fn refresh_lanes(&mut self, index: u32) {
        self.refresh_paths(index);
        for flow in Flow::ALL {
            let lane = self.lane(index, flow);
            let at = slot(index, flow) as usize;
            if at >= self.lanes.len() {
                // Within the capacity: rows are bounded when the thread starts.
                self.lanes.resize_with(at + 1, || None);
            }
            if let Some(place) = self.lanes.get_mut(at) {
                *place = lane;
            }
        }
    }

    /// Makes the paths of a row lead to where its packets go now.
    fn refresh_paths(&mut self, index: u32) {
        let Some(row) = self.table.get_mut(index) else {
            return;
        };
        for flow in Flow::ALL {
            let Destination::At(to) = row.pair.destination(flow) else {
                continue;
            };
            let Some(port) = row.ports.get_mut(flow.index()) else {
                continue;
            };
            if port.path_to(to).is_none() {
                port.path = Path::new(port.at.local, to);
                // The port is in the packet; an IPv6 socket of this kind refuses to be told one.
                let host = match to {
                    SocketAddr::V4(to) => SocketAddrV4::new(*to.ip(), 0).into(),
                    SocketAddr::V6(to) => SocketAddrV6::new(*to.ip(), 0, 0, to.scope_id()).into(),
                };
                self.ring.set_address(slot(index, flow), host);
            }
        }
    }

    fn lane(&self, index: u32, flow: Flow) -> Option<Lane> {
        let row = self.table.get(index)?;
        let settled = row.pair.settled(flow)?;
        let port = row.ports.get(settled.out.index())?;
        Some(Lane {
            source: row.pair.learned(flow)?,
            settled,
            to: slot(index, settled.out),
            door: Doors::of(&port.at),
            path: port.path?,
            cells: row.cells.clone(),
        })
    }
}
