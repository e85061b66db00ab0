//! The loopback device as a bed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::SPARE_CALLS;
use crate::packets::vocabulary::Phones;

/// First port of the phones; each call has two.
pub(super) const FIRST_PORT: u16 = 10_000;
/// Calls whose phones have ports.
pub(super) const MOST_CALLS: usize = (u16::MAX - FIRST_PORT) as usize / 2 - SPARE_CALLS;

/// Addresses on loopback that no other bed uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loopback {
    relay: [IpAddr; 2],
    phones: [IpAddr; 2],
    /// First port of the phones.
    first_port: u16,
}

impl Loopback {
    /// Beds of one process, and of several, get addresses of their own, so that tests that run
    /// beside each other do not hear each other.
    pub fn new() -> Self {
        static BEDS: AtomicU8 = AtomicU8::new(0);
        let bed = BEDS.fetch_add(1, Relaxed) % 60;
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let v4 = |host: u8| IpAddr::from(Ipv4Addr::new(127, 1 + high % 200, low, 4 * bed + host));
        Self {
            relay: [v4(1), v4(2)],
            phones: [v4(3), v4(4)],
            first_port: FIRST_PORT,
        }
    }

    pub fn relay_ips(&self) -> [IpAddr; 2] {
        self.relay
    }

    pub fn phones(&self, call: usize) -> Phones {
        let above = u16::try_from(2 * call).unwrap_or(u16::MAX);
        let port = self.first_port.saturating_add(above);
        self.phones.map(|ip| SocketAddr::new(ip, port))
    }
}
