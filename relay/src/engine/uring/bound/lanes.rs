//! The short way of a packet: what its flow's verdict comes to, kept by slot in half a cache line.
//!
//! A lane is open while its flow is settled: its socket hears its learned source alone, and the
//! socket that its packets leave by is connected. Whatever changes a row asks for its lanes to be
//! made anew. A lane also counts what its socket took in, so that a flood ends at its own port.

use std::sync::Arc;

use patchbay_route::flow::Flow;
use patchbay_route::limits::{FLOW_WINDOW_NS, MAX_DROPS_PER_WINDOW, MAX_PACKETS_PER_WINDOW};
use patchbay_route::reception::ticks;
use patchbay_route::verdict::DropReason;

use super::row::{Ear, Phase};
use super::worker::Worker;
use crate::engine::cells::PairCells;
use crate::engine::uring::buffers::Buffer;
use crate::engine::uring::common::Failure;
use crate::engine::uring::ring::{Receive, To};
use crate::engine::uring::slots::{slot, unslot};
use crate::forward::Settled;

/// One socket's lane.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Lane {
    onward: Option<Onward>,
    /// The window that the counts are of.
    window: u64,
    taken: u32,
    dropped: u32,
}

#[derive(Debug)]
struct Onward {
    settled: Settled,
    out: u32,
    /// Of the flow's RTP timestamps.
    ticks: u32,
    cells: Arc<PairCells>,
}

const _: () = assert!(size_of::<Lane>() == 64);
const _: () = assert!(FLOW_WINDOW_NS.is_power_of_two());

/// The window that a time is in.
const fn window(now: u64) -> u64 {
    now / FLOW_WINDOW_NS
}

/// When the window ends that a time is in.
pub const fn window_end(now: u64) -> u64 {
    (window(now) + 1) * FLOW_WINDOW_NS
}

impl Lane {
    /// Counts a datagram; true if the socket has taken in more than it may in this window.
    fn is_flooded(&mut self, now: u64, was_dropped: bool) -> bool {
        let window = window(now);
        if self.window != window {
            (self.window, self.taken, self.dropped) = (window, 0, 0);
        }
        self.taken += 1;
        self.dropped += u32::from(was_dropped);
        self.taken >= MAX_PACKETS_PER_WINDOW || self.dropped >= MAX_DROPS_PER_WINDOW
    }
}

impl Worker {
    /// Sends a datagram on by its lane. Gives the buffer back if the lane is not open, or not for
    /// this one.
    #[inline]
    pub(super) fn pass(&mut self, at: u32, buffer: Buffer) -> Result<Option<Buffer>, Failure> {
        let Some(lane) = self.lanes.get_mut(at as usize) else {
            return Ok(Some(buffer));
        };
        let payload = self.ring.payload(&buffer);
        let len = payload.len();
        let onward = match &lane.onward {
            Some(onward) if onward.settled.covers(payload) => onward,
            _ => return Ok(Some(buffer)),
        };
        let flow = unslot(at).1;
        let (counters, now) = (onward.cells.flow(flow), self.common.now);
        onward.cells.hear(flow, payload, now, onward.ticks);
        self.common.count_read(counters);
        let sent = self.ring.send(onward.out, at, buffer, To::Peer);
        let end = sent.map_err(|_| DropReason::QueueFull);
        self.common.count_end(counters, len, end);
        if lane.is_flooded(self.common.now, false) {
            self.stop_ear(at)?;
        }
        Ok(None)
    }

    /// Counts a datagram that did not take the short way.
    pub(super) fn note_taken(&mut self, at: u32, was_dropped: bool) -> Result<(), Failure> {
        let now = self.common.now;
        let lane = self.lanes.get_mut(at as usize);
        if lane.is_some_and(|lane| lane.is_flooded(now, was_dropped)) {
            return self.stop_ear(at);
        }
        Ok(())
    }

    /// Does not listen to a socket until the window ends.
    fn stop_ear(&mut self, at: u32) -> Result<(), Failure> {
        let (index, flow) = unslot(at);
        let Some(row) = self.table.get_mut(index) else {
            return Ok(());
        };
        let socket = row.socket(flow);
        let Ear::Open(receive) = socket.ear else {
            return Ok(());
        };
        if self.deaf.len() == self.deaf.capacity() {
            return Ok(());
        }
        socket.ear = Ear::Ending(receive);
        socket.deaf = true;
        self.deaf.push(at);
        self.common.mailbox.cells.floods.add(1);
        Ok(self.ring.disarm(at, receive)?)
    }

    /// Makes a row's lanes anew. To be called whenever something of the row has changed.
    pub(super) fn refresh_lanes(&mut self, index: u32) {
        for flow in Flow::ALL {
            let onward = self.onward(index, flow);
            let at = slot(index, flow) as usize;
            if at >= self.lanes.len() {
                // Within the capacity: rows are bounded when the thread starts.
                self.lanes.resize_with(at + 1, Lane::default);
            }
            if let Some(lane) = self.lanes.get_mut(at) {
                lane.onward = onward;
            }
        }
    }

    fn onward(&self, index: u32, flow: Flow) -> Option<Onward> {
        let row = self.table.get(index)?;
        let hears_peer = row.sockets[flow.index()].ear == Ear::Open(Receive::Payloads);
        if row.phase != Phase::Open || !hears_peer {
            return None;
        }
        let settled = row.pair.settled(flow)?;
        let out = &row.sockets[settled.out.index()];
        out.connected.then(|| Onward {
            settled,
            out: slot(index, settled.out),
            ticks: ticks(row.pair.clock_hz(flow)),
            cells: row.cells.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_flooded_once_its_window_is_full() {
        let mut lane = Lane::default();
        for _ in 1..MAX_PACKETS_PER_WINDOW {
            assert!(!lane.is_flooded(5, false));
        }
        assert!(lane.is_flooded(6, false));
        assert!(!lane.is_flooded(window_end(6), false));
        assert!(lane.is_flooded(0, false) || lane.window == 0);
    }

    #[test]
    fn what_is_dropped_fills_it_sooner() {
        let mut lane = Lane::default();
        let now = 3 * FLOW_WINDOW_NS;
        for _ in 1..MAX_DROPS_PER_WINDOW {
            assert!(!lane.is_flooded(now, true));
        }
        assert!(!lane.is_flooded(now, false));
        assert!(lane.is_flooded(now, true));
        assert_eq!(window_end(now), 4 * FLOW_WINDOW_NS);
    }
}
