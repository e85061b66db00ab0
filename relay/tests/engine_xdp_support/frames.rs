//! Frames made byte by byte from what RFC 791, 768, 8200 and IEEE 802.1Q say, without a thought for
//! speed.
#![allow(dead_code, clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};

/// What the UDP checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Right,
    Absent,
    Wrong,
    /// As a sender leaves it to its device to complete.
    Partial,
}

/// A UDP datagram in an Ethernet frame.
#[derive(Clone, Debug)]
pub struct Packet {
    pub to_mac: [u8; 6],
    pub from_mac: [u8; 6],
    pub tag: Option<u16>,
    pub source: SocketAddr,
    pub target: SocketAddr,
    pub tos: u8,
    pub ttl: u8,
    pub check: Check,
    pub payload: Vec<u8>,
    /// IPv4: identification and flags. A packet of ours has none, and is not to be fragmented.
    pub id_and_flags: [u8; 4],
}

impl Packet {
    pub fn new(source: SocketAddr, target: SocketAddr, payload: &[u8]) -> Packet {
        Packet {
            to_mac: super::DEVICE_MAC,
            from_mac: super::PEER_MAC,
            tag: None,
            source,
            target,
            tos: 0,
            ttl: 64,
            check: Check::Right,
            payload: payload.to_vec(),
            id_and_flags: [0, 0, 0x40, 0],
        }
    }

    /// Bytes in front of the IP header.
    pub fn link_len(&self) -> usize {
        if self.tag.is_some() { 18 } else { 14 }
    }

    fn udp(&self) -> Vec<u8> {
        let len = (8 + self.payload.len()) as u16;
        let mut udp = Vec::new();
        udp.extend(self.source.port().to_be_bytes());
        udp.extend(self.target.port().to_be_bytes());
        udp.extend(len.to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(&self.payload);
        let right = match checksum(&[&pseudo(self.source.ip(), self.target.ip(), len), &udp]) {
            0 => 0xffff,
            sum => sum,
        };
        let partial = !checksum(&[&pseudo(self.source.ip(), self.target.ip(), len)]);
        // Neither right nor absent nor partial, nor the other way to write the right one.
        let is_wrong = |sum: &u16| ![right, 0, partial, !right].contains(sum);
        let check = match self.check {
            Check::Right => right,
            Check::Absent => 0,
            Check::Partial => partial,
            Check::Wrong => (77..)
                .map(|by| right.wrapping_add(by))
                .find(is_wrong)
                .unwrap(),
        };
        udp[6..8].copy_from_slice(&check.to_be_bytes());
        udp
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(self.to_mac);
        frame.extend(self.from_mac);
        if let Some(tag) = self.tag {
            frame.extend([0x81, 0]);
            frame.extend(tag.to_be_bytes());
        }
        let udp = self.udp();
        match (self.source.ip(), self.target.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame.extend([8, 0]);
                let mut ip = vec![0x45, self.tos];
                ip.extend((20 + udp.len() as u16).to_be_bytes());
                ip.extend(self.id_and_flags);
                ip.extend([self.ttl, 17, 0, 0]);
                ip.extend(from.octets());
                ip.extend(to.octets());
                let sum = checksum(&[&ip]).to_be_bytes();
                ip[10..12].copy_from_slice(&sum);
                frame.extend(ip);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x86, 0xdd]);
                frame.extend([0x60 | self.tos >> 4, self.tos << 4, 0, 0]);
                frame.extend((udp.len() as u16).to_be_bytes());
                frame.extend([17, self.ttl]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            _ => unreachable!("a packet has one IP version"),
        }
        frame.extend(udp);
        frame
    }
}

/// RFC 1071, two bytes at a time.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let all = parts.concat();
    let mut sum = 0_u32;
    for pair in all.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !(sum as u16)
}

fn pseudo(from: IpAddr, to: IpAddr, len: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for ip in [from, to] {
        match ip {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 17]);
    bytes
}

/// RTP of a stream, with that many bytes of payload.
pub fn rtp(sequence: u16, timestamp: u32, ssrc: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0x80, 0];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.resize(12 + len, 0x55);
    bytes
}
