//! Ports of one address, two for each side of a call.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// First port: those below are reserved.
const FIRST: u16 = 1024;
/// Even ports from there on.
const PAIRS: usize = (u16::MAX - FIRST) as usize / 2 + 1;

/// Where to look for the next free ports.
#[derive(Debug)]
pub(super) struct Ports {
    ip: IpAddr,
    next: u16,
}

/// The sockets of one side of a call.
pub(super) struct Pair {
    /// Of RTP.
    pub address: SocketAddr,
    /// RTP and RTCP, connected to the phone, non-blocking.
    pub sockets: [UdpSocket; 2],
}

impl Ports {
    /// All of an address.
    pub fn new(ip: IpAddr) -> Self {
        Self { ip, next: FIRST }
    }

    /// Binds the next free even port and the one above it, and connects them to a phone's.
    pub fn open(&mut self, phone: SocketAddr) -> io::Result<Pair> {
        for _ in 0..PAIRS {
            let port = self.next;
            self.next = port.checked_add(2).unwrap_or(FIRST);
            match self.bind(port) {
                Ok(sockets) => return connect(sockets, phone, SocketAddr::new(self.ip, port)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => (),
                Err(e) => return Err(e),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn bind(&self, port: u16) -> io::Result<[UdpSocket; 2]> {
        let rtp = UdpSocket::bind((self.ip, port))?;
        let rtcp = UdpSocket::bind((self.ip, port.saturating_add(1)))?;
        Ok([rtp, rtcp])
    }
}

fn connect(sockets: [UdpSocket; 2], phone: SocketAddr, address: SocketAddr) -> io::Result<Pair> {
    for (socket, above) in sockets.iter().zip(0..) {
        let port = phone.port().saturating_add(above);
        socket.connect(SocketAddr::new(phone.ip(), port))?;
        socket.set_nonblocking(true)?;
    }
    Ok(Pair { address, sockets })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ports_in_use_are_passed_over_and_come_round() {
        let ip = IpAddr::from([127, 0, 77, 1]);
        let phone = SocketAddr::from(([127, 0, 77, 2], 5000));
        let mut ports = Ports::new(ip);
        let first = ports.open(phone).unwrap();
        assert_eq!(first.address, SocketAddr::new(ip, FIRST));
        let [rtp, rtcp] = &first.sockets;
        assert_eq!(rtp.peer_addr().unwrap(), phone);
        assert_eq!(rtcp.local_addr().unwrap().port(), FIRST + 1);
        assert_eq!(rtcp.peer_addr().unwrap().port(), 5001);
        let busy = UdpSocket::bind((ip, FIRST + 3)).unwrap();
        assert_eq!(ports.open(phone).unwrap().address.port(), FIRST + 4);
        ports.next = 65534;
        assert_eq!(ports.open(phone).unwrap().address.port(), 65534);
        drop(busy);
        assert_eq!(ports.open(phone).unwrap().address.port(), FIRST + 2);
    }
}
