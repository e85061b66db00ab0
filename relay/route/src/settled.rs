//! Rows of settled flows as the program at the device reads them: what is to be done and what was
//! counted, laid out for both sides.
//!
//! There is one row for each media port of each local address, in memory that both sides have
//! mapped. The program is `relay/xdp/readdress.bpf.c`; a test compares its layout with this one.
//! Ports and addresses stand as on the wire, numbers in the machine's order.

mod beside;
mod layout;

use core::net::{IpAddr, SocketAddr};

pub use self::beside::{Bucket, Hop, Places, WayOut};
pub use self::layout::layout;
use crate::reception::{MAX_CLOCK_HZ, Reception, ticks};

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
    /// Whether it is RTP, whose gaps are counted.
    pub is_rtp: bool,
    /// Clock of the RTP timestamps in Hz, at most [`MAX_CLOCK_HZ`]; 0 if it is not known. Then
    /// jitter is not counted.
    pub clock_hz: u32,
}

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

/// A row's generation as long as nothing has been said of its port.
pub const NOTHING: u32 = 0;
/// A row's generation while it is written: the program leaves its packets to the sockets.
pub const IN_CHANGE: u32 = 1;

/// The row has no way out: what its source sends goes up to the sockets, and so does what strangers
/// send, as far as limits allow.
pub const FLAG_UP: u8 = 1;
/// STUN and DTLS go up.
pub const FLAG_PLAIN: u8 = 2;
/// Packets leave as IPv6.
pub const FLAG_TO_V6: u8 = 4;
/// Packets leave with the row's DSCP.
pub const FLAG_SET_DSCP: u8 = 8;
/// Packets are heard as RTP.
pub const FLAG_HEAR: u8 = 16;

/// What the program knows of a local address and port: three cache lines. The first has what is
/// read of every packet, the last what is not needed for most.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// [`NOTHING`], [`IN_CHANGE`], or another number with each change. First, because the program
    /// reads it first and last.
    generation: u32,
    /// Media clock ticks in 2^32 ns; 0 if jitter is not counted.
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
    /// From here on the program writes: the next hop,
    hop_until: u32,
    macs: [u8; 12],
    mtu: u16,
    tag: u16,
    hop_generation: u32,
    ifindex: u32,
    /// and what it counts; all 0 at first, but for what has been heard before.
    window: u32,
    taken: u32,
    packets: u64,
    bytes: u64,
    last: u64,
    heard: Reception,
    strangers: u64,
    /// The generation, also when there is none: the next row at this port has another.
    before: u32,
    spare: [u32; 5],
}

impl Row {
    /// The row of a settled flow, of which `heard` was heard before.
    ///
    /// # Errors
    /// If the flow's addresses are such that no packet could be sent on.
    pub fn settled(flow: &SettledFlow, generation: u32, heard: Reception) -> Result<Row, RowError> {
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
            before: generation,
            flags: flag(flow.plain, FLAG_PLAIN)
                | flag(!is_v4(flow.to), FLAG_TO_V6)
                | flag(flow.dscp.is_some(), FLAG_SET_DSCP)
                | flag(flow.is_rtp, FLAG_HEAR),
            dscp: dscp << 2,
            udp_sum: fold(
                legs_sum(flow.from, flow.to, |word| word)
                    + legs_sum(flow.source, flow.local, |word| !word),
            ),
            ip_sum: fold(ip_sum(flow.from.ip()) + ip_sum(flow.to.ip())),
            ticks: ticks(flow.clock_hz),
            heard,
            ..Row::blank(flow.source, flow.from, flow.to)
        })
    }

    /// A row whose packets go up. What `expected` sends is not limited.
    #[must_use]
    pub fn up(expected: Option<SocketAddr>, generation: u32) -> Row {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        Row {
            generation,
            before: generation,
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
            hop_until: 0,
            macs: [0; 12],
            mtu: 0,
            tag: 0,
            hop_generation: 0,
            ifindex: 0,
            window: 0,
            taken: 0,
            packets: 0,
            bytes: 0,
            last: 0,
            heard: Reception::default(),
            strangers: 0,
            before: 0,
            spare: [0; 5],
        }
    }

    /// What is known of its port, as seen by the one who writes the row.
    #[must_use]
    pub fn known(&self) -> Known {
        match (self.generation, self.flags & FLAG_UP != 0) {
            (NOTHING | IN_CHANGE, _) => Known::Nothing,
            (_, true) => Known::Up,
            (_, false) => Known::Settled,
        }
    }

    /// Number of the row that follows this one at its port.
    #[must_use]
    pub fn next_generation(&self) -> u32 {
        let last = self.before.max(IN_CHANGE);
        last.checked_add(1).unwrap_or(IN_CHANGE + 1)
    }

    /// A row that says nothing, and follows this one.
    #[must_use]
    pub fn nothing(&self) -> Row {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        Row {
            before: self.before,
            ..Row::blank(nobody, nobody, nobody)
        }
    }

    /// Who alone may send, and where it goes: `None` if the row is not settled.
    #[must_use]
    pub fn way(&self) -> Option<Way> {
        let at = |ip: [u8; 16], port: [u8; 2]| {
            SocketAddr::new(IpAddr::from(ip).to_canonical(), u16::from_be_bytes(port))
        };
        (self.known() == Known::Settled).then(|| Way {
            source: at(self.source, self.source_port),
            from: at(self.from, self.from_port),
            to: at(self.to, self.to_port),
        })
    }

    /// What the program has counted in a row that was read back.
    #[must_use]
    pub fn tally(&self) -> FlowTally {
        FlowTally {
            packets: self.packets,
            bytes: self.bytes,
            last_ns: self.last,
            strangers: self.strangers,
            heard: self.heard,
        }
    }
}

/// What the program knows of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// That its packets go up.
    Up,
    /// That they are sent on.
    Settled,
}

/// How the packets of a settled flow go, as its row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Who alone may send.
    pub source: SocketAddr,
    /// The address and port of this host that they leave from.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
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
    /// What was heard of an RTP stream, with what had been heard before.
    pub heard: Reception,
}

const _: () = assert!(size_of::<Row>() == 192 && align_of::<Row>() == 64);
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
            is_rtp: true,
            clock_hz: 8000,
        }
    }

    #[test]
    fn a_row_says_what_its_flow_says() {
        let row = Row::settled(&flow(), 7, Reception::default()).unwrap();
        assert_eq!(row.generation, 7);
        assert_eq!(row.tally(), FlowTally::default());
        assert_eq!(
            row.flags,
            FLAG_PLAIN | FLAG_TO_V6 | FLAG_SET_DSCP | FLAG_HEAR
        );
        assert_eq!((row.dscp, row.ticks), (46 << 2, 34359));
        assert_eq!(row.source[10..], [255, 255, 192, 0, 2, 9]);
        assert_eq!(row.to_port, 5000_u16.to_be_bytes());
        let way = Way {
            source: flow().source,
            from: flow().from,
            to: flow().to,
        };
        assert_eq!((row.known(), row.way()), (Known::Settled, Some(way)));
        let up = Row::up(None, row.next_generation());
        assert_eq!((up.flags, up.generation), (FLAG_UP, 8));
        assert_eq!((up.known(), up.way()), (Known::Up, None));
    }

    #[test]
    fn a_flow_that_leads_nowhere_is_no_row() {
        let refused = |change: &dyn Fn(&mut SettledFlow)| {
            let mut flow = flow();
            change(&mut flow);
            Row::settled(&flow, 7, Reception::default()).unwrap_err()
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
    fn generations_go_round_without_the_two_that_mean_something() {
        let last = Row::up(None, u32::MAX);
        assert_eq!(last.next_generation(), IN_CHANGE + 1);
        assert_eq!(Row::up(None, NOTHING).next_generation(), IN_CHANGE + 1);
        let nothing = Row::up(None, 77).nothing();
        assert_eq!(
            (nothing.known(), nothing.next_generation()),
            (Known::Nothing, 78)
        );
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:20000".parse().unwrap();
        assert_eq!(fold(ip_sum(mapped.ip())), fold(ip_sum(flow().local.ip())));
    }
}
