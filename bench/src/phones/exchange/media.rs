//! Binding the sockets of a call's audio: RTP on an even port, RTCP on the next one (RFC 3550
//! section 11).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use super::super::phone::MediaAddresses;

/// Gives out port pairs from a range, going round.
#[derive(Debug)]
pub(super) struct Ports {
    first: u16,
    pairs: u16,
    next: u16,
}

impl Ports {
    /// The even ports of `range` that have a successor in it; `start` chooses where to begin, so
    /// that two processes seldom try the same ones.
    pub fn new(range: &RangeInclusive<u16>, start: u64) -> Self {
        let first = range.start() + range.start() % 2;
        let pairs = (range.end().saturating_sub(first) / 2 + range.end() % 2).max(1);
        Self {
            first,
            pairs,
            next: (start % u64::from(pairs)) as u16,
        }
    }

    /// Binds a pair on `ip`.
    ///
    /// # Errors
    /// No pair of the range is free, or the kernel refuses for another reason.
    pub fn bind(&mut self, ip: IpAddr) -> io::Result<(UdpSocket, UdpSocket, MediaAddresses)> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..self.pairs {
            let port = self.first + self.next * 2;
            self.next = (self.next + 1) % self.pairs;
            match pair(ip, port) {
                Ok(bound) => return Ok(bound),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

fn pair(ip: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket, MediaAddresses)> {
    let (rtp, rtcp) = (SocketAddr::new(ip, port), SocketAddr::new(ip, port + 1));
    let sockets = (UdpSocket::bind(rtp)?, UdpSocket::bind(rtcp)?);
    sockets.0.set_nonblocking(true)?;
    sockets.1.set_nonblocking(true)?;
    Ok((sockets.0, sockets.1, MediaAddresses { rtp, rtcp }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn ports_are_even_and_odd_and_run_out() {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 1));
        let mut ports = Ports::new(&(9_001..=9_006), 1);
        let first = ports.bind(ip).unwrap();
        let second = ports.bind(ip).unwrap();
        let mut found = [first.2.rtp.port(), second.2.rtp.port()];
        found.sort_unstable();
        assert_eq!(found, [9_002, 9_004]);
        assert_eq!(first.2.rtcp.port(), first.2.rtp.port() + 1);
        assert_eq!(ports.bind(ip).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(ports.bind(ip).is_ok());
    }
}
