//! One row of a packet thread's table: what decides, what counts, and its four sockets' state.

use std::net::SocketAddr;
use std::sync::Arc;

use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::pair::PairId;

use crate::engine::cells::PairCells;
use crate::engine::uring::ring::Receive;
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
    /// Whether the kernel stamps its datagrams, which it tells with messages only.
    pub stamped: bool,
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

/// Whether and how a socket is being listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ear {
    /// No receive is under way.
    #[default]
    Shut,
    /// A receive is under way.
    Open(Receive),
    /// It has been asked to end, and goes on until it reports that.
    Ending(Receive),
}

/// What the thread knows of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketState {
    /// How it is listened to.
    pub ear: Ear,
    /// It is in the ring's table.
    pub open: bool,
    /// It is connected to its learned source.
    pub connected: bool,
    /// A connect has been asked for and not undone.
    pub bound_to_peer: bool,
    /// Nothing is in its queue from before it was connected.
    pub drained: bool,
    /// The drain under way has found something.
    pub drain_found: bool,
    /// It took in too much: it is not listened to until the window ends.
    pub deaf: bool,
    /// Counts the changes of its peer, so that the end of an earlier connect is told apart.
    pub epoch: u8,
    /// Whom it was connected to last: the source of what [`Receive::Payloads`] yields.
    pub peer: Option<SocketAddr>,
}

impl SocketState {
    /// Whether a receive is under way.
    pub fn is_armed(&self) -> bool {
        self.ear != Ear::Shut
    }
}

impl Row {
    /// A new row whose sockets are in the ring's table.
    pub fn new(id: PairId, cells: Arc<PairCells>, stamped: bool) -> Row {
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
            stamped,
        }
    }

    /// One of its sockets.
    pub fn socket(&mut self, flow: Flow) -> &mut SocketState {
        &mut self.sockets[flow.index()]
    }

    /// How a socket of it is to be listened to next.
    pub fn receive(&self, flow: Flow) -> Receive {
        let socket = &self.sockets[flow.index()];
        match (socket.connected && !self.stamped, socket.drained) {
            (true, true) => Receive::Payloads,
            (true, false) => Receive::Drain,
            (false, _) => Receive::Messages,
        }
    }
}
