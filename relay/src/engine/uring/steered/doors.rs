//! The sockets of a packet thread: two that receive, and one for each local address that sends; or
//! more, one for each DSCP, where packets keep theirs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use patchbay_route::limits::MAX_STEERED_IPS;
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::engine::sockets::mark;
use crate::engine::steering::SteeredPort;
use crate::engine::uring::control::{ask_for_local, ask_for_marks, ask_for_stamps};
use crate::engine::uring::ring::Ring;

/// Sockets that receive, at the start of the ring's table: IPv4 and IPv6.
pub const RECEIVERS: u32 = 2;
/// Sockets in the ring's table.
pub const SOCKETS: u32 = RECEIVERS + MAX_STEERED_IPS as u32 * MARKS;
/// How many DSCPs there are (RFC 2474).
const MARKS: u32 = 64;

/// Room for datagrams that wait for the thread, in bytes as the kernel counts them: some 5,000
/// packets of audio, what comes in while the thread is away for 20 ms.
const RECEIVE_BYTES: usize = 4 << 20;
/// Room for datagrams that wait for a device or for a neighbour, in bytes as the kernel counts
/// them: hundreds of hosts that do not answer leave room for the others.
const SEND_BYTES: usize = 32 << 20;

/// A socket that steered datagrams of one IP version are received by. It is bound to loopback,
/// where nobody reaches it by its own port but this host. It tells either each datagram's DSCP
/// (`marks`) or when it came.
///
/// # Errors
/// What the kernel says.
pub fn receiver(is_ipv6: bool, marks: bool) -> io::Result<OwnedFd> {
    let ip: IpAddr = match is_ipv6 {
        true => Ipv6Addr::LOCALHOST.into(),
        false => Ipv4Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, 0);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if is_ipv6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    set_socket_recv_buffer_size_force(&socket, RECEIVE_BYTES)?;
    let socket = OwnedFd::from(socket);
    ask_for_local(&socket, is_ipv6)?;
    match marks {
        true => ask_for_marks(&socket, is_ipv6)?,
        false => ask_for_stamps(&socket),
    }
    Ok(socket)
}

/// A socket that sends datagrams whose UDP header is in them (`raw(7)`) from a local address: bound
/// to it, so that routes that depend on the source are found. Such a socket also gets a copy of all
/// that arrives for UDP at its address; being connected to itself, and with a filter that lets
/// nothing pass, it gets none. What it sends has that DSCP.
///
/// # Errors
/// What the kernel says.
pub fn sender(local: IpAddr, dscp: u8) -> io::Result<OwnedFd> {
    let address = SocketAddr::new(local, 0);
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::UDP))?;
    // "Return, nothing of it is kept" (`BPF_RET | BPF_K`).
    socket.attach_filter(&[SockFilter::new(libc::BPF_RET as u16, 0, 0, 0)])?;
    mark(&socket, local, dscp)?;
    socket.bind(&address.into())?;
    socket.connect(&address.into())?;
    set_socket_send_buffer_size_force(&socket, SEND_BYTES)?;
    Ok(socket.into())
}

/// Which local addresses have a socket that sends, and for which DSCPs.
#[derive(Debug)]
pub struct Doors {
    /// What all packets leave with; `None`: each with its own.
    dscp: Option<u8>,
    /// A bit for each DSCP.
    open: [u64; MAX_STEERED_IPS],
}

impl Doors {
    /// None yet. Packets will leave with that DSCP, or with the one that they came with.
    pub fn new(dscp: Option<u8>) -> Doors {
        Doors {
            dscp,
            open: [0; MAX_STEERED_IPS],
        }
    }

    /// The place in the ring's table of the socket that sends for a port what has no DSCP of its
    /// own. The one for another DSCP is so many places further, if it is open.
    pub fn of(&self, port: &SteeredPort) -> u32 {
        RECEIVERS + u32::from(port.block) * MARKS + u32::from(self.dscp.unwrap_or(0))
    }

    /// The DSCP that all packets leave with; `None`: each leaves with its own.
    pub fn dscp(&self) -> Option<u8> {
        self.dscp
    }

    /// Makes sure that there is a socket that sends for a port what has no DSCP of its own.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(&mut self, ring: &mut Ring, port: &SteeredPort) -> io::Result<()> {
        self.open_marked(ring, port, 0)
    }

    /// The same for what came with a DSCP, where that is kept.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open_marked(&mut self, ring: &mut Ring, port: &SteeredPort, dscp: u8) -> io::Result<()> {
        let place = self.of(port) + u32::from(dscp);
        let dscp = self.dscp.unwrap_or(dscp);
        let Some(open) = self.open.get_mut(usize::from(port.block)) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let bit = 1 << (dscp & 63);
        if *open & bit == 0 {
            let socket = sender(port.local.ip(), dscp)?;
            ring.register(place, &[socket])?;
            *open |= bit;
        }
        Ok(())
    }
}
