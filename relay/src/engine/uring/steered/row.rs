//! One row of a packet thread's table: what decides, what counts, and its four ports.

use std::sync::Arc;

use patchbay_route::flow::FLOWS;
use patchbay_route::pair::PairId;

use super::settle::{LeftRow, ToldRow};
use crate::engine::cells::PairCells;
use crate::engine::steering::SteeredPort;
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
    /// Its ports, by flow index.
    pub ports: [SteeredPort; FLOWS],
    /// What the device has been told of it, if there is one.
    pub told: Option<Box<ToldRow>>,
    /// What a process before this one has left of it at the device, until both sides are known.
    pub left: Option<Box<LeftRow>>,
}

impl Row {
    /// A new row with these ports.
    pub fn new(id: PairId, cells: Arc<PairCells>, ports: [SteeredPort; FLOWS]) -> Row {
        Row {
            id,
            pair: PairState::default(),
            cells,
            ports,
            told: None,
            left: None,
        }
    }
}
