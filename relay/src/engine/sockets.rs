//! Sockets of a pair, bound before the packet thread gets them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::ports::BindError;

/// The two sockets of one side: RTP on `rtp`, RTCP on the port above.
///
/// # Errors
/// [`BindError::InUse`] when somebody has one of the ports; neither is kept then.
pub fn bind_side(local_ip: IpAddr, rtp: u16) -> Result<[OwnedFd; 2], BindError> {
    Ok([
        bind(SocketAddr::new(local_ip, rtp))?,
        bind(SocketAddr::new(local_ip, rtp + 1))?,
    ])
}

/// A UDP socket. It stays blocking: an io_uring receive on a non-blocking one would not wait.
fn bind(local: SocketAddr) -> Result<OwnedFd, BindError> {
    let made = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&local.into())?;
        Ok(socket)
    };
    match made() {
        Ok(socket) => Ok(socket.into()),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse),
        Err(e) => Err(BindError::Fatal(e)),
    }
}
