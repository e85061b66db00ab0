//! The values of the programs' maps, laid out as in `bench/bpf/load.bpf.c`.

use std::net::{IpAddr, SocketAddr};

use crate::packets::vocabulary::{Kind, Load, VIDEO_PAYLOAD_BYTES, Way};

/// RTP header (RFC 3550 section 5.1).
const RTP_HEAD: usize = 12;
/// Sender report, SDES, the head of the APP packet, its stamp and eight bytes of pattern.
const RTCP_BYTES: usize = 56 + 24 + 8;
/// Clock rate of G.711, of which `ptime` says how much is in a packet.
const SAMPLES_PER_S: u128 = 8000;
/// Media clock of a video packet: 90 kHz, ten packets for each of 30 pictures a second.
const VIDEO_STEP: u32 = 300;
/// UDP, in IP headers.
const UDP: u8 = 17;
const UDP_HEAD: usize = 8;

/// A value of the maps `ways` and `expects`.
pub(super) type Entry = [u8; 64];

/// What a way's packets are with a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::packets) struct Shape {
    /// Bytes after the UDP header.
    pub payload: usize,
    /// Media clock from one packet to the next.
    pub step: u32,
}

impl Shape {
    pub fn of(kind: Kind, load: &Load) -> Self {
        let samples = load.ptime.as_nanos() * SAMPLES_PER_S / 1_000_000_000;
        let audio = u32::try_from(samples).unwrap_or(u32::MAX);
        let (payload, step) = match kind {
            Kind::Audio => (RTP_HEAD + load.payload_bytes, audio),
            Kind::Video => (RTP_HEAD + VIDEO_PAYLOAD_BYTES, VIDEO_STEP),
            Kind::Rtcp => (RTCP_BYTES, audio),
        };
        Self { payload, step }
    }

    /// Length of the whole frame.
    pub fn frame(&self, way: &Way) -> usize {
        let ip = if way.from.is_ipv4() { 20 } else { 40 };
        14 + ip + UDP_HEAD + self.payload
    }
}

/// The generator's entry of a way; `place` is that of its next packet.
pub(super) fn way(way: &Way, flow: u32, shape: Shape, place: u64) -> Entry {
    let mut words = Words::default();
    words.ip(way.from).ip(way.to);
    words.port(way.from).port(way.to);
    words.put(&ip_check(way, shape).to_ne_bytes());
    words.put(&(shape.payload as u16).to_ne_bytes());
    words.put(&pseudo_sum(way, shape).to_ne_bytes());
    words.put(&u16::from(kind(way.kind)).to_ne_bytes());
    words.put(&u16::from(family(way.from)).to_ne_bytes());
    words.put(&shape.step.to_ne_bytes());
    words.put(&flow.to_ne_bytes());
    words.put(&place.to_ne_bytes());
    words.entry
}

/// The place of a generator's entry.
pub(super) fn place(entry: &Entry) -> u64 {
    entry.last_chunk().copied().map_or(0, u64::from_ne_bytes)
}

/// The sink's entry of a way; `next` is the place that its next packet has at least.
pub(super) fn expected(way: &Way, shape: Shape, next: u64) -> Entry {
    let mut words = Words::default();
    words.ip(way.out).ip(way.at);
    words.port(way.out).port(way.at);
    words.put(&(shape.payload as u16).to_ne_bytes());
    words.put(&[kind(way.kind), family(way.out)]);
    words.put(&shape.step.to_ne_bytes());
    words.put(&0_u32.to_ne_bytes());
    words.put(&next.to_ne_bytes());
    words.entry
}

/// The same for a way of a call that comes and goes.
pub(super) fn guest(mut entry: Entry) -> Entry {
    if let Some(last) = entry.last_chunk_mut() {
        *last = 1_u64.to_ne_bytes();
    }
    entry
}

#[derive(Debug)]
struct Words {
    entry: Entry,
    len: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            entry: [0; 64],
            len: 0,
        }
    }
}

impl Words {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        if let Some(room) = self.entry.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.len += bytes.len();
        self
    }

    fn ip(&mut self, address: SocketAddr) -> &mut Self {
        let mut bytes = [0; 16];
        match address.ip() {
            IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes = ip.octets(),
        }
        self.put(&bytes)
    }

    fn port(&mut self, address: SocketAddr) -> &mut Self {
        self.put(&address.port().to_be_bytes())
    }
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Audio => 0,
        Kind::Video => 1,
        Kind::Rtcp => 2,
    }
}

fn family(address: SocketAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// Ones' complement sum (RFC 1071) of 16-bit words in network order.
fn sum(words: impl IntoIterator<Item = u16>) -> u32 {
    words.into_iter().map(u32::from).sum()
}

fn words_of(ip: IpAddr) -> Vec<u16> {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes
        .chunks_exact(2)
        .filter_map(|two| Some(u16::from_be_bytes(*two.first_chunk()?)))
        .collect()
}

/// Checksum of the IPv4 header that the program writes, as it is stored.
fn ip_check(way: &Way, shape: Shape) -> u16 {
    let len = (20 + UDP_HEAD + shape.payload) as u16;
    let fixed = [0x4500, len, 0, 0x4000, u16::from_be_bytes([64, UDP])];
    let addresses = [words_of(way.from.ip()), words_of(way.to.ip())].concat();
    let mut sum = sum(fixed.into_iter().chain(addresses));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be()
}

/// Sum of IPv6's pseudo header (RFC 8200 section 8.1) and of the UDP header, in this machine's
/// order of bytes, which such sums do not mind (RFC 1071 section 2).
fn pseudo_sum(way: &Way, shape: Shape) -> u32 {
    let len = (UDP_HEAD + shape.payload) as u16;
    let fixed = [len, u16::from(UDP), way.from.port(), way.to.port(), len];
    let addresses = [words_of(way.from.ip()), words_of(way.to.ip())].concat();
    sum(fixed.into_iter().chain(addresses).map(u16::to_be))
}
