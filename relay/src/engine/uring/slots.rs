//! Where things of a flow are: its row's four slots, one after another.

use patchbay_route::flow::{FLOWS, Flow};

/// The slot of a flow.
pub const fn slot(row: u32, flow: Flow) -> u32 {
    row * FLOWS as u32 + flow.index() as u32
}

/// The row and the flow of a slot.
pub const fn unslot(slot: u32) -> (u32, Flow) {
    (slot / FLOWS as u32, Flow::from_index(slot as usize % FLOWS))
}
