//! The memory that the steering program shares with the engine.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;

use crate::engine::blocks::Blocks;
use crate::engine::mapped::Mapped;
use crate::engine::uring::slot;
use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::limits::MAX_STEERED_IPS;
use patchbay_route::pair::PairId;
use patchbay_route::steering::PortCell;

/// An open media port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteeredPort {
    /// Its address.
    pub local: SocketAddr,
    /// The number of its local IP.
    pub block: u8,
    cell: u32,
}

/// All media ports: a cell for each port of each local address.
#[derive(Debug)]
pub struct Space {
    cells: Mapped<PortCell>,
    /// What stands for a port that is not there; there is none.
    nowhere: PortCell,
    blocks: Blocks,
}

impl Space {
    /// Cells of one map with that many ports of each address.
    pub fn cells(ports: u32) -> u32 {
        ports * MAX_STEERED_IPS as u32
    }

    /// Maps the program's map of ports, which has [`Space::cells`] values.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(map: impl AsFd, range: &RangeInclusive<u16>) -> io::Result<Space> {
        let blocks = Blocks::new(range);
        Ok(Space {
            cells: Mapped::new(map, blocks.values() as usize)?,
            nowhere: PortCell::default(),
            blocks,
        })
    }

    /// The addresses whose ports are steered, by their numbers.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.blocks.addresses()
    }

    /// Adds an address that is not there yet; `None` if there are too many. To be called by one
    /// thread at a time.
    pub fn add_address(&self, ip: IpAddr) -> Option<()> {
        self.blocks.add(ip)
    }

    /// The port at an address, if its IP is steered and the port is in the range.
    #[inline]
    pub fn port(&self, local: SocketAddr) -> Option<SteeredPort> {
        let (block, cell) = self.blocks.find(local)?;
        Some(SteeredPort { local, block, cell })
    }

    /// The cell of a port.
    #[inline]
    pub fn cell(&self, port: &SteeredPort) -> &PortCell {
        // `port` makes all ports that there are, each within the blocks.
        self.cells.get(port.cell).unwrap_or(&self.nowhere)
    }

    /// Opens the ports of a row on a thread.
    pub fn open(&self, id: PairId, ports: &[SteeredPort; FLOWS]) {
        for (flow, port) in Flow::ALL.into_iter().zip(ports) {
            self.cell(port)
                .open(id.thread().into(), slot(id.row(), flow));
        }
    }

    /// The flow that a port belongs to, if it is open and that thread's.
    #[inline]
    pub fn slot_of(&self, local: SocketAddr, thread: u32) -> Option<u32> {
        self.cell(&self.port(local)?).slot_of(thread)
    }
}
