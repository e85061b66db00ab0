//! One row of a packet thread's table: what decides, what counts, and its four sockets' state.

use std::sync::Arc;

use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::pair::PairId;

use crate::engine::cells::PairCells;
use crate::forward::PairState;

/// A row.
#[derive(Debug)]
pub struct Row {
    /// The pair's name, so that a command for an earlier pair in this row is told apart.
    pub id: PairId,
    /// What the verdict depends on.
    pub pair: PairState,
    /// Its counters.
    pub cells: Arc<PairCells>,
    /// Its sockets, by flow index.
    pub sockets: [SocketState; FLOWS],
    /// Where it is in its life.
    pub phase: Phase,
}

/// A row's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Forwarding.
    Open,
    /// Waiting for its receives to report their end.
    Disarming,
    /// Waiting for its sockets to be closed.
    Closing,
}

/// What the thread knows of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketState {
    /// A receive is under way.
    pub armed: bool,
    /// It is in the ring's table.
    pub open: bool,
    /// It is connected to its learned source.
    pub connected: bool,
    /// A connect has been asked for and not undone.
    pub bound_to_peer: bool,
    /// Counts the changes of its peer, so that the end of an earlier connect is told apart.
    pub epoch: u8,
}

impl Row {
    /// A new row whose sockets are in the ring's table.
    pub fn new(id: PairId, cells: Arc<PairCells>) -> Row {
        let socket = SocketState {
            open: true,
            ..SocketState::default()
        };
        Row {
            id,
            pair: PairState::default(),
            cells,
            sockets: [socket; FLOWS],
            phase: Phase::Open,
        }
    }

    /// One of its sockets.
    pub fn socket(&mut self, flow: Flow) -> &mut SocketState {
        &mut self.sockets[flow.index()]
    }
}

/// The slot of a flow's socket in the ring's table.
pub const fn slot(row: u32, flow: Flow) -> u32 {
    row * FLOWS as u32 + flow.index() as u32
}

/// The row and the flow of a slot.
pub const fn unslot(slot: u32) -> (u32, Flow) {
    (slot / FLOWS as u32, Flow::from_index(slot as usize % FLOWS))
}
