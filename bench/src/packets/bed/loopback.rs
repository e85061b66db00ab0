//! The loopback device as a bed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::Addresses;
use crate::packets::vocabulary::Phones;

/// First port of the phones; each call has two.
pub(super) const FIRST_PORT: u16 = 10_000;

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
    pub fn new(addresses: Addresses) -> Self {
        static BEDS: AtomicU8 = AtomicU8::new(0);
        let bed = BEDS.fetch_add(1, Relaxed) % 60;
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let v4 = |host: u8| IpAddr::from(Ipv4Addr::new(127, 1 + high % 200, low, 4 * bed + host));
        // IPv6 has one address on loopback.
        let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let (relay, phones) = match addresses {
            Addresses::V4 => ([v4(1), v4(2)], [v4(3), v4(4)]),
            Addresses::V6 => ([v6, v6], [v6, v6]),
            Addresses::V4ToV6 => ([v4(1), v6], [v4(3), v6]),
        };
        Self {
            relay,
            phones,
            first_port: FIRST_PORT,
        }
    }

    pub fn relay_ips(&self) -> [IpAddr; 2] {
        self.relay
    }

    pub fn phones(&self, call: usize) -> Phones {
        let port = u16::try_from(2 * call).unwrap_or(u16::MAX - FIRST_PORT - 1) + self.first_port;
        self.phones.map(|ip| SocketAddr::new(ip, port))
    }
}
