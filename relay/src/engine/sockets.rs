//! Sockets of a pair, bound before the packet thread gets them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::ports::BindError;

/// The two sockets of one side: RTP on `rtp`, RTCP on the port above. What they send has that DSCP.
///
/// # Errors
/// [`BindError::InUse`] when somebody has one of the ports; neither is kept then.
pub fn bind_side(local_ip: IpAddr, rtp: u16, dscp: u8) -> Result<[OwnedFd; 2], BindError> {
    Ok([
        bind(SocketAddr::new(local_ip, rtp), dscp)?,
        bind(SocketAddr::new(local_ip, rtp + 1), dscp)?,
    ])
}

/// Has what a socket of that address sends leave with a DSCP, 0 to 63 (RFC 2474), and without
/// congestion bits.
///
/// # Errors
/// What the kernel says.
pub fn mark(socket: &Socket, local: IpAddr, dscp: u8) -> io::Result<()> {
    let field = u32::from(dscp & 63) << 2;
    match local {
        // What a socket has from the start.
        _ if field == 0 => Ok(()),
        IpAddr::V4(_) => socket.set_tos_v4(field),
        IpAddr::V6(_) => socket.set_tclass_v6(field),
    }
}

/// A UDP socket. It stays blocking: an io_uring receive on a non-blocking one would not wait.
fn bind(local: SocketAddr, dscp: u8) -> Result<OwnedFd, BindError> {
    let made = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        mark(&socket, local.ip(), dscp)?;
        socket.bind(&local.into())?;
        Ok(socket)
    };
    match made() {
        Ok(socket) => Ok(socket.into()),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse),
        Err(e) => Err(BindError::Fatal(e)),
    }
}
