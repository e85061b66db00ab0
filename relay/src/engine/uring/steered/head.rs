//! The UDP header of what a flow sends, made once and completed for each packet.

use std::net::{IpAddr, SocketAddr};

/// Bytes of a UDP header (RFC 768).
pub const HEAD_BYTES: usize = 8;
/// The number of UDP among the protocols of IP.
const PROTOCOL: u8 = 17;

/// A header that lacks nothing but length and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Source and destination.
    ports: [u8; 4],
    /// Sum of the pseudo-header (RFC 768, RFC 8200 section 8.1) and the ports, without lengths.
    sum: u32,
}

impl Head {
    /// The header from one address to another; `None` if these differ in IP version.
    pub fn new(from: SocketAddr, to: SocketAddr) -> Option<Head> {
        let addresses = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => add(add(0, &from.octets()), &to.octets()),
            (IpAddr::V6(from), IpAddr::V6(to)) => add(add(0, &from.octets()), &to.octets()),
            _ => return None,
        };
        let ([a, b], [c, d]) = (from.port().to_be_bytes(), to.port().to_be_bytes());
        let ports = [a, b, c, d];
        let sum = u32::from(fold(add(addresses, &ports))) + u32::from(u16::from(PROTOCOL).to_be());
        Some(Head { ports, sum })
    }

    /// The header of a datagram with that payload, which must fit a UDP datagram.
    #[inline]
    pub fn of(&self, payload: &[u8]) -> [u8; HEAD_BYTES] {
        let len = u16::try_from(HEAD_BYTES + payload.len()).unwrap_or(u16::MAX);
        let [l, m] = len.to_be_bytes();
        // The length counts twice: in the pseudo-header and in the header proper.
        let start = u64::from(self.sum) + 2 * u64::from(len.to_be());
        // Zero would say that there is no checksum (RFC 768).
        let sum = match !fold(add(start, payload)) {
            0 => u16::MAX,
            sum => sum,
        };
        let ([a, b, c, d], [s, t]) = (self.ports, sum.to_ne_bytes());
        [a, b, c, d, l, m, s, t]
    }
}

/// Adds bytes to a sum, as words of the machine's byte order, in which the checksum comes out
/// right too (RFC 1071 section 2).
#[inline]
fn add(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    let whole: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)))
        .sum();
    sum + whole + u64::from(u32::from_ne_bytes(last))
}

/// A sum as the one's complement sum of 16 bits.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Not above 0xffff by the loop.
    sum as u16
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The checksum as RFC 1071 describes it, word by word.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    fn check(from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let udp = Head::new(from, to).unwrap().of(payload);
        let len = (HEAD_BYTES + payload.len()) as u16;
        assert_eq!(udp[..2], from.port().to_be_bytes());
        assert_eq!(udp[2..4], to.port().to_be_bytes());
        assert_eq!(udp[4..6], len.to_be_bytes());
        assert_ne!(udp[6..], [0, 0]);
        let mut covered = match (from.ip(), to.ip()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => [a.octets(), b.octets()].concat(),
            (IpAddr::V6(a), IpAddr::V6(b)) => [a.octets(), b.octets()].concat(),
            _ => unreachable!(),
        };
        covered.extend([0, PROTOCOL]);
        covered.extend(len.to_be_bytes());
        covered.extend(udp);
        covered.extend(payload);
        assert_eq!(plain(&covered), 0xffff, "a receiver sums it up to ones");
    }

    proptest! {
        #[test]
        fn the_checksum_is_what_a_receiver_expects(
            from in any::<([u8; 16], u16)>(),
            to in any::<([u8; 16], u16)>(),
            payload in proptest::collection::vec(any::<u8>(), 0..1500),
        ) {
            check((from.0, from.1).into(), (to.0, to.1).into(), &payload);
            let short = |(ip, port): ([u8; 16], u16)| {
                SocketAddr::from(([ip[0], ip[1], ip[2], ip[3]], port))
            };
            check(short(from), short(to), &payload);
        }
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_ones() {
        let ones = SocketAddr::from(([255, 255, 255, 255], 65535));
        // Chosen so that everything sums up to ones: protocol 17, twice the length 10.
        let payload = (0xffff_u16 - 17 - 20).to_be_bytes();
        let head = Head::new(ones, ones).unwrap();
        assert_eq!(head.of(&payload)[6..], [255, 255]);
        check(ones, ones, &payload);
    }

    #[test]
    fn both_addresses_are_of_one_version() {
        let v4 = SocketAddr::from(([127, 0, 0, 1], 1));
        let v6 = SocketAddr::from(([0; 16], 1));
        assert_eq!(Head::new(v4, v6), None);
        assert_eq!(Head::new(v6, v4), None);
    }
}
