//! The IP and UDP headers of what a flow sends, made once and completed for each packet.

use std::net::{IpAddr, SocketAddr};

/// Bytes of an IPv4 header without options (RFC 791 section 3.1).
const IPV4: usize = 20;
/// Bytes of an IPv6 header (RFC 8200 section 3).
const IPV6: usize = 40;
/// Bytes of a UDP header (RFC 768).
const UDP: usize = 8;
/// Bytes of the longest headers.
pub const MAX_HEAD_BYTES: usize = IPV6 + UDP;
/// Time to live, or hop limit: what Linux gives to datagrams of its own.
const HOPS: u8 = 64;
/// The number of UDP among the protocols of IP.
const PROTOCOL: u8 = 17;

/// Headers that lack nothing but lengths and checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; MAX_HEAD_BYTES],
    len: u8,
    /// Sum of the pseudo-header (RFC 768, RFC 8200 section 8.1) and the ports, without lengths.
    sum: u32,
}

impl Head {
    /// The headers from one address to another; `None` if these differ in IP version.
    pub fn new(from: SocketAddr, to: SocketAddr) -> Option<Head> {
        let mut head = Head {
            bytes: [0; MAX_HEAD_BYTES],
            len: 0,
            sum: 0,
        };
        let network = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                // The kernel adds total length, identification and checksum. Fragments are
                // allowed, as it allows itself when a path takes less than its first device.
                head.put(0, &[0x45, 0, 0, 0, 0, 0, 0, 0, HOPS, PROTOCOL, 0, 0]);
                head.put(12, &from.octets());
                head.put(16, &to.octets());
                IPV4
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                head.put(0, &[0x60, 0, 0, 0, 0, 0, PROTOCOL, HOPS]);
                head.put(8, &from.octets());
                head.put(24, &to.octets());
                IPV6
            }
            _ => return None,
        };
        head.put(network, &from.port().to_be_bytes());
        head.put(network + 2, &to.port().to_be_bytes());
        head.len = u8::try_from(network + UDP).ok()?;
        // Addresses and ports stand next to each other.
        let addresses = if network == IPV4 { 12 } else { 8 };
        let covered = head.bytes.get(addresses..network + UDP)?;
        head.sum = u32::from(fold(add(0, covered))) + u32::from(u16::from(PROTOCOL).to_be());
        Some(head)
    }

    /// Bytes of the headers.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The headers of a datagram with that payload, which must fit a UDP datagram.
    #[inline]
    pub fn of(&self, payload: &[u8]) -> [u8; MAX_HEAD_BYTES] {
        let mut whole = *self;
        let (head, udp) = (self.len(), UDP + payload.len());
        let len = u16::try_from(udp).unwrap_or(u16::MAX).to_be_bytes();
        if head == IPV6 + UDP {
            whole.put(4, &len);
        }
        whole.put(head - 4, &len);
        // The length counts twice: in the pseudo-header and in the header proper.
        let start = u64::from(self.sum) + 2 * u64::from(u16::from_ne_bytes(len));
        // Zero would say that there is no checksum (RFC 768).
        let sum = match !fold(add(start, payload)) {
            0 => u16::MAX,
            sum => sum,
        };
        whole.put(head - 2, &sum.to_ne_bytes());
        whole.bytes
    }

    /// Overwrites bytes; what is beyond the end is left out.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
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
        let head = Head::new(from, to).unwrap();
        let bytes = &head.of(payload)[..head.len()];
        let udp = &bytes[bytes.len() - UDP..];
        let len = (UDP + payload.len()) as u16;
        assert_eq!(udp[..2], from.port().to_be_bytes());
        assert_eq!(udp[2..4], to.port().to_be_bytes());
        assert_eq!(udp[4..6], len.to_be_bytes());
        assert_ne!(udp[6..], [0, 0]);
        let mut covered = match (from.ip(), to.ip()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                assert_eq!(bytes[..2], [0x45, 0]);
                assert_eq!(bytes[12..20], [a.octets(), b.octets()].concat());
                [a.octets(), b.octets()].concat()
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                assert_eq!(bytes[4..6], len.to_be_bytes());
                assert_eq!(bytes[8..40], [a.octets(), b.octets()].concat());
                [a.octets(), b.octets()].concat()
            }
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
        assert_eq!(head.of(&payload)[26..28], [255, 255]);
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
