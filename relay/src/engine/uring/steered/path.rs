//! The way from a local port to a remote address: its headers, and how large a datagram it takes
//! in one piece.

use std::io;
use std::net::SocketAddr;

use rustix::net::sockopt::{ip_mtu, ipv6_mtu};
use socket2::{Domain, Protocol, Socket, Type};

use super::head::Head;

/// The largest packet that a path is taken to carry before the kernel is asked, in bytes: what
/// every IPv6 path does (RFC 8200 section 5), and as good as every one for IPv4.
const LEAST_MTU_BYTES: usize = 1280;

/// A path.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    to: SocketAddr,
    head: Head,
    /// Bytes of the largest payload that leaves in one piece, as far as is known.
    fits: usize,
    /// Whether the kernel has been asked for that.
    measured: bool,
}

impl Path {
    /// The path from one address to another; `None` if these differ in IP version.
    pub fn new(from: SocketAddr, to: SocketAddr) -> Option<Path> {
        let head = Head::new(from, to)?;
        Some(Path {
            to,
            head,
            fits: LEAST_MTU_BYTES.saturating_sub(head.len()),
            measured: false,
        })
    }

    /// Whether it is not known yet if it takes a payload of that many bytes in one piece.
    pub fn is_unknown_for(&self, len: usize) -> bool {
        !self.measured && !self.takes(len)
    }

    /// Asks the kernel how much it takes: of the route's device, or less if a router on the way
    /// has said so. Without an answer it stays at the least.
    pub fn measure(&mut self, from: SocketAddr) {
        self.measured = true;
        if let Ok(mtu) = mtu(from, self.to) {
            self.fits = (mtu as usize).saturating_sub(self.head.len());
        }
    }

    /// Its headers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Where it leads.
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// Whether it leads there.
    pub fn leads_to(&self, to: SocketAddr) -> bool {
        self.to == to
    }

    /// Whether a payload of that many bytes leaves in one piece.
    #[inline]
    pub fn takes(&self, len: usize) -> bool {
        len <= self.fits
    }
}

fn mtu(from: SocketAddr, to: SocketAddr) -> io::Result<u32> {
    let socket = udp(from)?;
    let local = SocketAddr::new(from.ip(), 0);
    socket.bind(&local.into())?;
    socket.connect(&to.into())?;
    Ok(match to {
        SocketAddr::V4(_) => ip_mtu(&socket)?,
        SocketAddr::V6(_) => ipv6_mtu(&socket)?,
    })
}

/// Sends a datagram that does not leave in one piece: by a socket of the kernel's own making of
/// fragments, which exists for this one.
///
/// # Errors
/// What the kernel says.
pub fn send_in_pieces(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> io::Result<()> {
    let socket = udp(from)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&from.into())?;
    socket.send_to(payload, &to.into()).map(|_| ())
}

fn udp(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
