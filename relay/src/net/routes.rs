//! The kernel's routing table, asked through an unconnected socket's own address.

use crate::edge::paths::Routes;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Asks the kernel; no packet is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelRoutes;

/// Any port does: connecting a UDP socket only looks the route up.
const DISCARD_PORT: u16 = 9;

impl Routes for KernelRoutes {
    fn local_toward(&self, remote: IpAddr) -> Option<IpAddr> {
        let any: IpAddr = match remote {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((remote, DISCARD_PORT)).ok()?;
        socket.local_addr().ok().map(|local| local.ip())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loopback_leads_to_loopback() {
        let toward: IpAddr = "127.0.0.9".parse().unwrap();
        let local = KernelRoutes.local_toward(toward).unwrap();
        assert!(local.is_loopback());
    }
}
