//! Rows of settled flows as the program at the device reads them: keys, values and counters, laid
//! out for both sides.
//!
//! The program is `relay/xdp/readdress.bpf.c`; a test compares its layout with this one. Ports and
//! addresses stand as on the wire, numbers in the machine's order.

use core::net::{IpAddr, SocketAddr};

use crate::fate::{FATES, Fate};
use crate::limits::MAX_DATAGRAM_BYTES;

/// A flow whose packets are sent on at the device, as long as they come from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledFlow {
    /// The address and port of this host that the packets come to.
    pub local: SocketAddr,
    /// Who alone may send them.
    pub source: SocketAddr,
    /// The address and port of this host that they leave from.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
    /// Whether STUN and DTLS have no business here, and are left to the sockets to judge.
    pub plain: bool,
    /// The DSCP that packets leave with (RFC 2474), 0 to 63; `None` keeps the one that they came
    /// with. The congestion bits (RFC 3168) are kept in any case.
    pub dscp: Option<u8>,
    /// Clock of the RTP timestamps in Hz, at most [`MAX_CLOCK_HZ`]; 0 if the flow is not RTP or its
    /// clock is not known. Then gaps and jitter are not counted.
    pub clock_hz: u32,
}

/// Highest clock of RTP timestamps, in Hz.
pub const MAX_CLOCK_HZ: u32 = 1_000_000;

/// Why a flow cannot be a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// An address is unspecified or multicast, or a port is 0.
    #[error("{0} is not an address that packets can be sent to")]
    NotAHost(SocketAddr),
    /// Two addresses of one leg are not of the same IP version.
    #[error("{0} and {1} are not of the same IP version")]
    Versions(SocketAddr, SocketAddr),
    /// A DSCP above 63.
    #[error("there is no DSCP {0}: it is 63 at most")]
    Dscp(u8),
    /// A clock above [`MAX_CLOCK_HZ`].
    #[error("{0} Hz is no clock of RTP timestamps")]
    Clock(u32),
}

/// What a row is found by: a local address and port.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// IPv4 as IPv4-mapped IPv6.
    local: [u8; 16],
    port: [u8; 2],
    /// 4 or 6, so that a mapped address in an IPv6 packet is not taken for the IPv4 address.
    family: u16,
}

impl FlowKey {
    /// The key of a local address and port. A mapped IPv4 address is an IPv4 address.
    #[must_use]
    pub fn new(local: SocketAddr) -> FlowKey {
        FlowKey {
            local: mapped(local.ip()),
            port: local.port().to_be_bytes(),
            family: if is_v4(local) { 4 } else { 6 },
        }
    }
}

/// The row has no way out: what its source sends goes up to the sockets, and so does what strangers
/// send, as far as limits allow.
pub const FLAG_UP: u8 = 1;
/// STUN and DTLS go up.
pub const FLAG_PLAIN: u8 = 2;
/// Packets leave as IPv6.
pub const FLAG_TO_V6: u8 = 4;
/// Packets leave with the row's DSCP.
pub const FLAG_SET_DSCP: u8 = 8;

/// What the program knows of a local address and port.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Never used twice. First, because the program reads it first and last.
    generation: u32,
    /// Media clock ticks in 2^32 ns; 0 if gaps and jitter are not counted.
    ticks: u32,
    source: [u8; 16],
    from: [u8; 16],
    to: [u8; 16],
    source_port: [u8; 2],
    from_port: [u8; 2],
    to_port: [u8; 2],
    flags: u8,
    /// In the place that it has in the header.
    dscp: u8,
    /// What the UDP checksum's sum changes by.
    udp_sum: u16,
    /// Sum of the new addresses, for the IPv4 header.
    ip_sum: u16,
    /// From here on the program writes, what it counts and what it knows; all 0 at first.
    ssrc: u32,
    packets: u64,
    bytes: u64,
    last: u64,
    strangers: u64,
    arrival: u64,
    missing: u32,
    late: u32,
    jitter: u32,
    timestamp: u32,
    hop_until: u32,
    hop_generation: u32,
    ifindex: u32,
    mtu: u16,
    tag: u16,
    macs: [u8; 12],
    next: u16,
    heard: u16,
    window: u32,
    taken: u32,
}

impl Row {
    /// The row of a settled flow. No other row has the same `generation`.
    ///
    /// # Errors
    /// If the flow's addresses are such that no packet could be sent on.
    pub fn settled(flow: &SettledFlow, generation: u32) -> Result<Row, RowError> {
        for address in [flow.local, flow.source, flow.from, flow.to] {
            let ip = address.ip();
            if ip.is_unspecified() || ip.is_multicast() || address.port() == 0 {
                return Err(RowError::NotAHost(address));
            }
        }
        for (one, other) in [(flow.local, flow.source), (flow.from, flow.to)] {
            if is_v4(one) != is_v4(other) {
                return Err(RowError::Versions(one, other));
            }
        }
        let dscp = flow.dscp.unwrap_or(0);
        if dscp > 63 {
            return Err(RowError::Dscp(dscp));
        }
        if flow.clock_hz > MAX_CLOCK_HZ {
            return Err(RowError::Clock(flow.clock_hz));
        }
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        Ok(Row {
            generation,
            flags: flag(flow.plain, FLAG_PLAIN)
                | flag(!is_v4(flow.to), FLAG_TO_V6)
                | flag(flow.dscp.is_some(), FLAG_SET_DSCP),
            dscp: dscp << 2,
            udp_sum: fold(
                legs_sum(flow.from, flow.to, |word| word)
                    + legs_sum(flow.source, flow.local, |word| !word),
            ),
            ip_sum: fold(ip_sum(flow.from.ip()) + ip_sum(flow.to.ip())),
            // Below 2^32 by the limit of the clock.
            ticks: ((u64::from(flow.clock_hz) << 32) / 1_000_000_000) as u32,
            ..Row::blank(flow.source, flow.from, flow.to)
        })
    }

    /// A row whose packets go up. What `expected` sends is not limited.
    #[must_use]
    pub fn up(expected: Option<SocketAddr>, generation: u32) -> Row {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        Row {
            generation,
            flags: FLAG_UP,
            ..Row::blank(expected.unwrap_or(nobody), nobody, nobody)
        }
    }

    fn blank(source: SocketAddr, from: SocketAddr, to: SocketAddr) -> Row {
        Row {
            generation: 0,
            ticks: 0,
            source: mapped(source.ip()),
            from: mapped(from.ip()),
            to: mapped(to.ip()),
            source_port: source.port().to_be_bytes(),
            from_port: from.port().to_be_bytes(),
            to_port: to.port().to_be_bytes(),
            flags: 0,
            dscp: 0,
            udp_sum: 0,
            ip_sum: 0,
            ssrc: 0,
            packets: 0,
            bytes: 0,
            last: 0,
            strangers: 0,
            arrival: 0,
            missing: 0,
            late: 0,
            jitter: 0,
            timestamp: 0,
            hop_until: 0,
            hop_generation: 0,
            ifindex: 0,
            mtu: 0,
            tag: 0,
            macs: [0; 12],
            next: 0,
            heard: 0,
            window: 0,
            taken: 0,
        }
    }

    /// What the program has counted in a row that was read back.
    #[must_use]
    pub fn tally(&self) -> FlowTally {
        FlowTally {
            packets: self.packets,
            bytes: self.bytes,
            last_ns: self.last,
            strangers: self.strangers,
            missing: self.missing,
            late: self.late,
            jitter: self.jitter >> 4,
        }
    }
}

/// Counters of one settled flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTally {
    /// Packets that were sent on.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// When the last one came, in ns of the kernel's clock `CLOCK_MONOTONIC_COARSE`, which ticks
    /// every 1 to 10 ms; 0 before the first.
    pub last_ns: u64,
    /// Packets of strangers, dropped.
    pub strangers: u64,
    /// RTP packets that the sequence numbers say there were, and that had not come by then. Those
    /// that came later are in `late` too.
    pub missing: u32,
    /// RTP packets that came after one with a higher number, or twice.
    pub late: u32,
    /// Interarrival jitter (RFC 3550 section 6.4.1), in timestamp units.
    pub jitter: u32,
}

/// A device that packets may leave by: where the program stands, and with which 802.1Q tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The device's index.
    pub ifindex: u32,
    /// VLAN identifier, 1 to 4094; 0 without a tag.
    pub tag: u32,
}

/// A source's tokens, kept as the time at which there will be as many as there can be.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// In ns of the kernel's monotonic clock.
    pub full_at: u64,
}

/// What the program says of its layout, in the order in which it says it.
#[must_use]
pub const fn layout() -> [u32; 37] {
    use core::mem::offset_of;
    let sizes = [
        size_of::<FlowKey>(),
        offset_of!(FlowKey, port),
        offset_of!(FlowKey, family),
        size_of::<Row>(),
        offset_of!(Row, ticks),
        offset_of!(Row, source),
        offset_of!(Row, from),
        offset_of!(Row, to),
        offset_of!(Row, source_port),
        offset_of!(Row, from_port),
        offset_of!(Row, to_port),
        offset_of!(Row, flags),
        offset_of!(Row, dscp),
        offset_of!(Row, udp_sum),
        offset_of!(Row, ip_sum),
        offset_of!(Row, packets),
        offset_of!(Row, bytes),
        offset_of!(Row, last),
        offset_of!(Row, strangers),
        offset_of!(Row, missing),
        offset_of!(Row, late),
        offset_of!(Row, jitter),
        offset_of!(Row, hop_until),
        offset_of!(Row, heard),
        offset_of!(Row, taken),
        FATES,
        Fate::UpUnknown as usize,
        FLAG_UP as usize,
        FLAG_PLAIN as usize,
        FLAG_TO_V6 as usize,
        FLAG_SET_DSCP as usize,
        MAX_DATAGRAM_BYTES,
        crate::limits::DEVICE_NEIGHBOURS,
        crate::limits::FLOW_WINDOW_NS as usize,
        size_of::<WayOut>(),
        size_of::<Bucket>(),
        16,
    ];
    let mut words = [0; 37];
    let mut i = 0;
    while i < words.len() {
        words[i] = sizes[i] as u32;
        i += 1;
    }
    words
}

const _: () = assert!(size_of::<FlowKey>() == 20 && align_of::<FlowKey>() <= 4);
const _: () = assert!(size_of::<Row>() == 168 && align_of::<Row>() == 8);
const _: () = assert!(core::mem::offset_of!(Row, generation) == 0);

fn is_v4(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_ipv4()
}

/// 16 bytes as on the wire, IPv4 as IPv4-mapped IPv6.
fn mapped(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Words of an address as the machine reads them from the wire: sums of those need no conversion
/// (RFC 1071 section 2).
fn words(ip: IpAddr) -> impl Iterator<Item = u16> {
    let bytes = mapped(ip);
    let skipped = if ip.to_canonical().is_ipv4() { 12 } else { 0 };
    let rest = bytes.into_iter().skip(skipped).step_by(2);
    let seconds = bytes.into_iter().skip(skipped + 1).step_by(2);
    rest.zip(seconds).map(|(a, b)| u16::from_ne_bytes([a, b]))
}

fn ip_sum(ip: IpAddr) -> u64 {
    words(ip).map(u64::from).sum()
}

/// Sum of what one leg has in a UDP checksum, each word changed by `change`.
fn legs_sum(one: SocketAddr, other: SocketAddr, change: impl Fn(u16) -> u16) -> u64 {
    let port = |address: SocketAddr| u16::from_ne_bytes(address.port().to_be_bytes());
    let all = words(one.ip()).chain(words(other.ip()));
    all.chain([port(one), port(other)])
        .map(|word| u64::from(change(word)))
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn flow() -> SettledFlow {
        SettledFlow {
            local: "10.0.0.1:20000".parse().unwrap(),
            source: "192.0.2.9:4000".parse().unwrap(),
            from: "[2001:db8::1]:20004".parse().unwrap(),
            to: "[2001:db8::9]:5000".parse().unwrap(),
            plain: true,
            dscp: Some(46),
            clock_hz: 8000,
        }
    }

    #[test]
    fn a_row_says_what_its_flow_says() {
        let row = Row::settled(&flow(), 7).unwrap();
        assert_eq!(row.generation, 7);
        assert_eq!(row.tally(), FlowTally::default());
        assert_eq!(row.flags, FLAG_PLAIN | FLAG_TO_V6 | FLAG_SET_DSCP);
        assert_eq!((row.dscp, row.ticks), (46 << 2, 34359));
        assert_eq!(row.source[10..], [255, 255, 192, 0, 2, 9]);
        assert_eq!(row.to_port, 5000_u16.to_be_bytes());
        assert_eq!(Row::up(None, 9).flags, FLAG_UP);
    }

    #[test]
    fn a_flow_that_leads_nowhere_is_no_row() {
        let refused = |change: &dyn Fn(&mut SettledFlow)| {
            let mut flow = flow();
            change(&mut flow);
            Row::settled(&flow, 0).unwrap_err()
        };
        let v6: SocketAddr = "[2001:db8::2]:1".parse().unwrap();
        let nobody: SocketAddr = "0.0.0.0:1".parse().unwrap();
        assert_eq!(refused(&|f| f.source = nobody), RowError::NotAHost(nobody));
        let local = flow().local;
        assert_eq!(refused(&|f| f.source = v6), RowError::Versions(local, v6));
        assert_eq!(refused(&|f| f.dscp = Some(64)), RowError::Dscp(64));
        let clock = MAX_CLOCK_HZ + 1;
        assert_eq!(refused(&|f| f.clock_hz = clock), RowError::Clock(clock));
        assert!(matches!(
            refused(&|f| f.to.set_port(0)),
            RowError::NotAHost(_)
        ));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:20000".parse().unwrap();
        assert_eq!(FlowKey::new(mapped), FlowKey::new(flow().local));
        assert_eq!(fold(ip_sum(mapped.ip())), fold(ip_sum(flow().local.ip())));
    }
}
