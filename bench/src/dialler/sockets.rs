//! The dialler's sockets on loopback: some that call, as many that answer, and one for each side's
//! media that nobody reads.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::phones::{Poller, Ready};

/// Receive buffer of a SIP socket, bytes: all that a system can send while the dialler is away.
const RECEIVE_BYTES: usize = 4 << 20;
/// A media socket's: what comes there is not looked at.
const MEDIA_BYTES: usize = 4096;
/// Datagrams read from a socket before the others have their turn.
pub(super) const TURN: usize = 64;
/// Largest datagram.
pub(super) const LARGEST: usize = 65_536;

/// Sockets of callers and phones.
#[derive(Debug)]
pub struct Sockets {
    pub(super) callers: Vec<Party>,
    pub(super) phones: Vec<Party>,
    pub(super) caller_media: u16,
    pub(super) phone_media: u16,
    _media: [UdpSocket; 2],
    poller: Poller,
    ready: Vec<Ready>,
}

/// A SIP socket and where it is.
#[derive(Debug)]
pub(super) struct Party {
    pub socket: UdpSocket,
    pub address: SocketAddr,
    /// The same as text.
    pub host: String,
}

/// Which side a socket is on, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Caller(usize),
    Phone(usize),
}

impl Sockets {
    /// Opens `count` sockets on each side.
    ///
    /// # Errors
    /// The system has no sockets or ports left.
    pub fn open(count: usize) -> io::Result<Self> {
        let side = || (0..count).map(|_| party()).collect::<io::Result<Vec<_>>>();
        let media = [media()?, media()?];
        let [caller, phone] = &media;
        let sockets = Self {
            callers: side()?,
            phones: side()?,
            caller_media: caller.local_addr()?.port(),
            phone_media: phone.local_addr()?.port(),
            _media: media,
            poller: Poller::new()?,
            ready: Vec::new(),
        };
        let all = sockets.callers.iter().chain(&sockets.phones);
        for (key, party) in all.enumerate() {
            sockets.poller.add(&party.socket, key as u64)?;
        }
        Ok(sockets)
    }

    /// Where the callers send from.
    #[must_use]
    pub fn callers(&self) -> Vec<SocketAddr> {
        self.callers.iter().map(|party| party.address).collect()
    }

    /// Where the phones answer.
    #[must_use]
    pub fn phones(&self) -> Vec<SocketAddr> {
        self.phones.iter().map(|party| party.address).collect()
    }

    /// Waits until something can be read, or so long.
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<Vec<Side>> {
        self.ready.clear();
        self.poller.wait(Some(timeout), &mut self.ready)?;
        let callers = self.callers.len();
        let side = |ready: &Ready| {
            let place = usize::try_from(ready.key).unwrap_or(0);
            match place.checked_sub(callers) {
                None => Side::Caller(place),
                Some(place) => Side::Phone(place),
            }
        };
        Ok(self.ready.iter().map(side).collect())
    }

    /// The next datagram of a socket, if there is one.
    pub(super) fn receive<'b>(
        &self,
        side: Side,
        buffer: &'b mut [u8],
    ) -> Option<(&'b [u8], SocketAddr)> {
        let party = match side {
            Side::Caller(place) => self.callers.get(place),
            Side::Phone(place) => self.phones.get(place),
        };
        let (length, from) = party?.socket.recv_from(buffer).ok()?;
        Some((buffer.get(..length)?, from))
    }

    /// Throws away what a run before has left unread.
    pub(super) fn drain(&self, buffer: &mut [u8]) {
        for party in self.callers.iter().chain(&self.phones) {
            while party.socket.recv_from(buffer).is_ok() {}
        }
    }
}

impl Party {
    /// Sends a datagram; false if the kernel did not take it.
    pub fn send(&self, text: &str, to: SocketAddr) -> bool {
        self.socket.send_to(text.as_bytes(), to).is_ok()
    }
}

fn party() -> io::Result<Party> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let options = socket2::SockRef::from(&socket);
    // More than the system allows takes a privilege; what there is will do then.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BYTES).is_err() {
        options.set_recv_buffer_size(RECEIVE_BYTES)?;
    }
    Ok(Party {
        host: address.to_string(),
        socket,
        address,
    })
}

/// Media need an even port with a free one above it (RFC 3550 section 11).
fn media() -> io::Result<UdpSocket> {
    let mut odd = Vec::new();
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        if socket.local_addr()?.port() % 2 == 0 {
            socket2::SockRef::from(&socket).set_recv_buffer_size(MEDIA_BYTES)?;
            return Ok(socket);
        }
        // Held until an even one is found, so that it is not given again.
        odd.push(socket);
    }
}
