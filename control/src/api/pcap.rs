//! Captures: messages as a file that tcpdump, Wireshark and sngrep read (the classic libpcap format,
//! LINKTYPE_RAW: packets that begin with their IP header).
//!
//! The headers are made up around what the relay received or sent: one packet for each message, over
//! UDP as UDP, over everything else as TCP with running sequence numbers. TLS and WebSocket are left
//! out, so that their messages can be read; there the relay's port is shown as 5060, since readers go
//! by the port.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use patchbay_route::trace::{TracedMessage, Way};

/// Media type of captures.
pub const PCAP: &str = "application/vnd.tcpdump.pcap";

const MAGIC: u32 = 0xa1b2_c3d4;
const LINKTYPE_RAW: u32 = 101;
const SNAP_BYTES: u32 = 262_144;
/// What fits a packet beside its headers, whichever IP version.
const MAX_PAYLOAD: usize = 65_000;
const SIP_PORT: u16 = 5060;
const TCP: u8 = 6;
const UDP: u8 = 17;
const TTL: u8 = 64;
const UDP_HEADER_BYTES: u16 = 8;
const IPV4_HEADER_BYTES: u16 = 20;
/// PSH and ACK.
const TCP_FLAGS: u8 = 0x18;

/// Writes captures.
#[derive(Debug, Default)]
pub struct PcapWriter {
    /// Bytes sent so far, by direction of a connection.
    sent: HashMap<(SocketAddr, SocketAddr), u32>,
}

impl PcapWriter {
    /// Most connections whose sequence numbers run on; with more all begin anew.
    pub const MAX_CONNECTIONS: usize = 65_536;

    /// What the file begins with.
    #[must_use]
    pub fn head() -> Vec<u8> {
        let mut head = Vec::with_capacity(24);
        head.extend_from_slice(&MAGIC.to_le_bytes());
        for version in [2_u16, 4] {
            head.extend_from_slice(&version.to_le_bytes());
        }
        for field in [0, 0, SNAP_BYTES, LINKTYPE_RAW] {
            head.extend_from_slice(&field.to_le_bytes());
        }
        head
    }

    /// The packet, or packets, of a message.
    pub fn message(&mut self, message: &TracedMessage) -> Vec<u8> {
        let plain = matches!(message.transport.as_str(), "UDP" | "TCP");
        let mut local = canonical(message.local);
        if !plain {
            local.set_port(SIP_PORT);
        }
        let remote = canonical(message.remote);
        let (from, to) = match message.way {
            Way::In => (remote, local),
            Way::Out => (local, remote),
        };
        let bytes = message.content.bytes();
        let mut out = Vec::with_capacity(bytes.len() + 128);
        for piece in bytes.chunks(MAX_PAYLOAD) {
            let packet = match message.transport.as_str() {
                "UDP" => ip(from, to, UDP, &udp(from, to, piece)),
                _ => ip(from, to, TCP, &self.tcp(from, to, piece)),
            };
            record(&mut out, message.at_unix_us, &packet);
        }
        out
    }

    fn tcp(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
        if self.sent.len() >= Self::MAX_CONNECTIONS {
            self.sent.clear();
        }
        let acknowledged = self.sent.get(&(to, from)).copied().unwrap_or(1);
        let sequence = self.sent.entry((from, to)).or_insert(1);
        let length = u32::try_from(payload.len()).unwrap_or_default();
        let mut segment = ports(from, to);
        segment.extend_from_slice(&sequence.to_be_bytes());
        segment.extend_from_slice(&acknowledged.to_be_bytes());
        // The header's length in words, flags, the window, and room for checksum and urgent pointer.
        segment.extend_from_slice(&[5 << 4, TCP_FLAGS, 0xff, 0xff, 0, 0, 0, 0]);
        *sequence = sequence.wrapping_add(length);
        segment.extend_from_slice(payload);
        put_checksum(&mut segment, 16, from, to, TCP);
        segment
    }
}

/// IPv4 as IPv4, also where a socket showed it as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn record(out: &mut Vec<u8>, at_unix_us: u64, packet: &[u8]) {
    let seconds = u32::try_from(at_unix_us / 1_000_000).unwrap_or(u32::MAX);
    let micros = u32::try_from(at_unix_us % 1_000_000).unwrap_or_default();
    let length = u32::try_from(packet.len()).unwrap_or_default();
    for field in [seconds, micros, length, length] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(packet);
}

fn ports(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let ports = [from.port(), to.port()];
    ports.iter().flat_map(|port| port.to_be_bytes()).collect()
}

fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = ports(from, to);
    let length = u16::try_from(payload.len()).unwrap_or_default() + UDP_HEADER_BYTES;
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    put_checksum(&mut datagram, 6, from, to, UDP);
    datagram
}

/// The IP header and what follows it.
fn ip(from: SocketAddr, to: SocketAddr, protocol: u8, carried: &[u8]) -> Vec<u8> {
    let length = u16::try_from(carried.len()).unwrap_or(u16::MAX);
    let mut packet = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let whole = length.saturating_add(IPV4_HEADER_BYTES).to_be_bytes();
            let [high, low] = whole;
            // Version and length, DSCP, length, identification, don't fragment, TTL, protocol, checksum.
            let mut head = vec![0x45, 0, high, low, 0, 0, 0x40, 0, TTL, protocol, 0, 0];
            head.extend_from_slice(&from.octets());
            head.extend_from_slice(&to.octets());
            let sum = checksum(0, &head).to_be_bytes();
            put(&mut head, 10, sum);
            head
        }
        (from, to) => {
            let mut head = vec![0x60, 0, 0, 0];
            head.extend_from_slice(&length.to_be_bytes());
            head.extend_from_slice(&[protocol, TTL]);
            head.extend_from_slice(&v6(from).octets());
            head.extend_from_slice(&v6(to).octets());
            head
        }
    };
    packet.extend_from_slice(carried);
    packet
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn put(bytes: &mut [u8], at: usize, [high, low]: [u8; 2]) {
    if let Some([first, second]) = bytes.get_mut(at..at + 2) {
        (*first, *second) = (high, low);
    }
}

/// The checksum of UDP and TCP, with the addresses in front (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn put_checksum(bytes: &mut [u8], at: usize, from: SocketAddr, to: SocketAddr, protocol: u8) {
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let length = u32::try_from(bytes.len()).unwrap_or_default();
    let mut sum = u32::from(protocol) + (length >> 16) + (length & 0xffff);
    sum += words(&octets(from)) + words(&octets(to));
    let sum = match checksum(sum, bytes) {
        // Zero says that there is none.
        0 => 0xffff,
        sum => sum,
    };
    put(bytes, at, sum.to_be_bytes());
}

fn words(bytes: &[u8]) -> u32 {
    let pairs = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    pairs.sum()
}

/// The one's complement of the one's complement sum (RFC 1071).
fn checksum(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = start + words(bytes);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use patchbay_route::trace::Content;

    fn message(transport: &str, way: Way, remote: &str, bytes: &[u8]) -> TracedMessage {
        let v6 = remote.starts_with('[');
        TracedMessage {
            at_unix_us: 1_700_000_000_000_123,
            relay: String::new(),
            way,
            transport: transport.to_owned(),
            local: if v6 {
                "[2001:db8::1]:5061"
            } else {
                "192.0.2.1:5061"
            }
            .parse()
            .unwrap(),
            remote: remote.parse().unwrap(),
            control: false,
            call: String::new(),
            contact: String::new(),
            session: String::new(),
            agent: String::new(),
            content: Content::new(bytes),
        }
    }

    /// Of a sound checksum the sum with it is all ones.
    fn sound(sum: u32, bytes: &[u8]) -> bool {
        checksum(sum, bytes) == 0
    }

    #[test]
    fn a_datagram_has_the_headers_of_its_version() {
        let mut writer = PcapWriter::default();
        let four = writer.message(&message("UDP", Way::In, "192.0.2.9:5062", b"INVITE"));
        assert_eq!(u32::from_le_bytes(four[4..8].try_into().unwrap()), 123);
        assert_eq!(u32::from_le_bytes(four[8..12].try_into().unwrap()), 34);
        let packet = &four[16..];
        assert!(sound(0, &packet[..20]));
        assert_eq!(&packet[12..20], [192, 0, 2, 9, 192, 0, 2, 1]);
        assert_eq!(&packet[20..24], [0x13, 0xc6, 0x13, 0xc5], "5062 to 5061");
        let pseudo = u32::from(UDP) + 14 + words(&packet[12..20]);
        assert!(sound(pseudo, &packet[20..]));
        assert_eq!(&packet[28..], b"INVITE");
        let six = writer.message(&message("UDP", Way::Out, "[2001:db8::9]:5062", b"BYE."));
        assert_eq!((six[16] >> 4, six.len()), (6, 16 + 40 + 8 + 4));
    }

    #[test]
    fn a_connection_runs_on_and_what_was_secret_on_the_way_can_be_read() {
        let mut writer = PcapWriter::default();
        let of = |packet: &[u8]| u32::from_be_bytes(packet[16 + 24..16 + 28].try_into().unwrap());
        let first = writer.message(&message("TLS", Way::In, "192.0.2.9:40000", b"INVITE"));
        let second = writer.message(&message("TLS", Way::In, "192.0.2.9:40000", b"ACK"));
        let back = writer.message(&message("TLS", Way::Out, "192.0.2.9:40000", b"200"));
        assert_eq!((of(&first), of(&second), of(&back)), (1, 7, 1));
        assert_eq!(first[16 + 22..16 + 24], SIP_PORT.to_be_bytes());
        let packet = &back[16..];
        let pseudo = u32::from(TCP) + 23 + words(&packet[12..20]);
        assert!(sound(pseudo, &packet[20..]));
        assert_eq!(
            packet[28..32],
            10_u32.to_be_bytes(),
            "acknowledges what came"
        );
    }

    #[test]
    fn a_message_too_long_for_a_packet_takes_several() {
        let long = vec![b'x'; MAX_PAYLOAD + 5];
        let mut writer = PcapWriter::default();
        let out = writer.message(&message("TCP", Way::In, "192.0.2.9:5062", &long));
        assert_eq!(out.len(), 2 * (16 + 40) + long.len());
    }
}
