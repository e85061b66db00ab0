//! The memory that the steering program shares with the engine.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::engine::uring::slot;
use patchbay_route::flow::{FLOWS, Flow};
use patchbay_route::limits::MAX_STEERED_IPS;
use patchbay_route::pair::PairId;
use patchbay_route::steering::PortCell;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

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
    cells: NonNull<PortCell>,
    bytes: usize,
    first_port: u16,
    ports: u32,
    addresses: [OnceLock<IpAddr>; MAX_STEERED_IPS],
}

// SAFETY: the cells consist of atomics alone, and the memory stays until the space is dropped.
unsafe impl Send for Space {}
// SAFETY: as above.
unsafe impl Sync for Space {}

impl Space {
    /// Cells of one map with that many ports of each address.
    pub fn cells(ports: u32) -> u32 {
        ports * MAX_STEERED_IPS as u32
    }

    /// Maps the program's map of ports, which has [`Space::cells`] values.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(map: impl AsFd, first_port: u16, ports: u32) -> io::Result<Space> {
        let bytes = Space::cells(ports) as usize * size_of::<PortCell>();
        // SAFETY: a new mapping, at a place that the kernel chooses, of a map that has as many
        // values; values of 64 bytes lie next to each other.
        let memory = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map,
                0,
            )?
        };
        let cells = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Space {
            cells,
            bytes,
            first_port,
            ports,
            addresses: [const { OnceLock::new() }; MAX_STEERED_IPS],
        })
    }

    /// The addresses whose ports are steered, by their numbers.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map_while(OnceLock::get).copied()
    }

    /// Adds an address that is not there yet; `None` if there are too many. To be called by one
    /// thread at a time.
    pub fn add_address(&self, ip: IpAddr) -> Option<()> {
        let free = self.addresses.iter().find(|place| place.get().is_none())?;
        free.set(ip).ok()
    }

    /// The port at an address, if its IP is steered and the port is in the range.
    #[inline]
    pub fn port(&self, local: SocketAddr) -> Option<SteeredPort> {
        let block = self.addresses().position(|ip| ip == local.ip())?;
        let port = local.port().checked_sub(self.first_port)?;
        if u32::from(port) >= self.ports {
            return None;
        }
        let block = u8::try_from(block).ok()?;
        Some(SteeredPort {
            local,
            block,
            cell: u32::from(block) * self.ports + u32::from(port),
        })
    }

    /// The cell of a port.
    #[inline]
    pub fn cell(&self, port: &SteeredPort) -> &PortCell {
        // SAFETY: `port` makes all ports that there are, each within the mapping, which is
        // aligned to a page, and zeroed by the kernel at first.
        unsafe { self.cells.add(port.cell as usize).as_ref() }
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

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; no cell is borrowed any more.
        let _ = unsafe { munmap(self.cells.as_ptr().cast(), self.bytes) };
    }
}
