//! Where the ports of each local address stand in arrays that programs in the kernel read: one block
//! of ports after the other.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use patchbay_route::limits::MAX_STEERED_IPS;

/// The blocks of all local addresses.
#[derive(Debug)]
pub struct Blocks {
    first_port: u16,
    ports: u32,
    addresses: [OnceLock<IpAddr>; MAX_STEERED_IPS],
}

impl Blocks {
    /// No address yet.
    pub fn new(range: &RangeInclusive<u16>) -> Blocks {
        let (first, last) = (*range.start(), *range.end());
        Blocks {
            first_port: first,
            ports: (u32::from(last) + 1).saturating_sub(u32::from(first)),
            addresses: [const { OnceLock::new() }; MAX_STEERED_IPS],
        }
    }

    /// First port of each block.
    pub fn first_port(&self) -> u16 {
        self.first_port
    }

    /// Ports of each block.
    pub fn ports(&self) -> u32 {
        self.ports
    }

    /// Ports of all blocks.
    pub fn values(&self) -> u32 {
        self.ports * MAX_STEERED_IPS as u32
    }

    /// The addresses that have a block, by their numbers.
    #[inline]
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map_while(OnceLock::get).copied()
    }

    /// Gives an address that has none the next block; `None` if there is none left. To be called by
    /// one thread at a time.
    pub fn add(&self, ip: IpAddr) -> Option<()> {
        let free = self.addresses.iter().find(|place| place.get().is_none())?;
        free.set(ip).ok()
    }

    /// Number of a port's block, and its place among all ports; `None` if the address has no block,
    /// or the port is not in the range.
    #[inline]
    pub fn find(&self, local: SocketAddr) -> Option<(u8, u32)> {
        let block = self.addresses().position(|ip| ip == local.ip())?;
        let port = local.port().checked_sub(self.first_port)?;
        if u32::from(port) >= self.ports {
            return None;
        }
        let block = u8::try_from(block).ok()?;
        Some((block, u32::from(block) * self.ports + u32::from(port)))
    }

    /// The port at a place.
    pub fn at(&self, place: u32) -> Option<SocketAddr> {
        let block = usize::try_from(place / self.ports.max(1)).ok()?;
        let ip = self.addresses.get(block)?.get()?;
        let port = u16::try_from(place % self.ports.max(1)).ok()?;
        Some(SocketAddr::new(*ip, self.first_port.checked_add(port)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_address_has_its_ports_one_after_the_other() {
        let blocks = Blocks::new(&(2000..=2009));
        let at = |address: &str| address.parse::<SocketAddr>().unwrap();
        assert_eq!(blocks.find(at("10.0.0.1:2000")), None);
        for ip in ["10.0.0.1", "fd00::1"] {
            blocks.add(ip.parse().unwrap()).unwrap();
        }
        assert_eq!((blocks.ports(), blocks.values()), (10, 80));
        for (address, found) in [("10.0.0.1:2003", (0, 3)), ("[fd00::1]:2009", (1, 19))] {
            assert_eq!(blocks.find(at(address)), Some(found));
            assert_eq!(blocks.at(found.1), Some(at(address)));
        }
        for outside in ["10.0.0.1:1999", "10.0.0.1:2010", "10.0.0.2:2000"] {
            assert_eq!(blocks.find(at(outside)), None);
        }
        assert_eq!(blocks.at(20), None);
    }

    #[test]
    fn there_are_so_many_blocks_and_no_more() {
        let blocks = Blocks::new(&(1..=65535));
        for n in 0..MAX_STEERED_IPS as u8 {
            blocks.add([10, 0, 0, n].into()).unwrap();
        }
        assert_eq!(blocks.add([10, 0, 1, 0].into()), None);
        assert_eq!(blocks.addresses().count(), MAX_STEERED_IPS);
    }
}
