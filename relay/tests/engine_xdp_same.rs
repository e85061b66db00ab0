//! F7: whatever frame comes, the program at the device does what the verdict proper says, and what
//! it sends on is byte for byte what a re-addressing without any cleverness makes of it.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::engine_xdp_support::frames::{Check, Packet, checksum};
use crate::engine_xdp_support::*;
use patchbay_relay::engine::xdp::{Fate, SettledFlow};
use patchbay_relay::engine::{Component, DropReason, Profile, Remote, Side};
use patchbay_relay::forward::{Datagram, Destination, PairState, forward};
use patchbay_relay::strangers::Strangers;
use patchbay_route::flow::Flow;
use patchbay_route::verdict::Verdict;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What the program is to do with a frame.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// Nothing of ours: not even counted.
    Passed,
    Met(Fate),
    Sent(Vec<u8>),
}

/// A flow of a pair as the table has it, and as the device is told.
struct Route {
    pair: PairState,
    settled: SettledFlow,
    by_vlan: bool,
}

const FLOW: Flow = Flow::new(Side::Client, Component::Rtp);

/// Every way through: IP versions in and out, by the device or the VLAN, plain or not, DSCP kept or
/// set.
fn routes() -> Vec<Route> {
    let ways = (0..32).map(|bits: u16| {
        let is = |bit: u16| bits >> bit & 1 == 1;
        let (here, host) = if is(0) {
            ("2001:db8::1", "2001:db8::9")
        } else {
            ("10.0.0.1", "10.0.0.9")
        };
        let (there, far) = match (is(1), is(2)) {
            (false, false) => ("10.0.0.1", "10.0.0.9"),
            (false, true) => ("10.0.5.1", "10.0.5.9"),
            (true, false) => ("2001:db8::1", "2001:db8::9"),
            (true, true) => ("2001:db8:5::1", "2001:db8:5::9"),
        };
        let on = |ip: &str, port: u16| SocketAddr::new(ip.parse().unwrap(), port);
        let profile = if is(3) {
            Profile::Protected
        } else {
            Profile::Plain
        };
        let client = on(host, 4000 + bits);
        let mut pair = PairState::default();
        for (side, rtp) in [(Side::Client, client), (Side::Agent, on(far, 5000 + bits))] {
            let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1000);
            let mut remote = Remote::new(rtp, rtcp, rtp.ip(), Duration::ZERO);
            remote.profile = profile;
            pair.set_remote(side, &remote, 0, [0; 2]);
        }
        pair.learn(FLOW, client);
        let out = pair.settled(FLOW).unwrap().out;
        let Destination::At(to) = pair.destination(out) else {
            unreachable!("the agent has an address");
        };
        Route {
            pair,
            settled: SettledFlow {
                local: on(here, 20_000 + 2 * bits),
                source: client,
                from: on(there, 20_001 + 2 * bits),
                to,
                plain: profile == Profile::Plain,
                dscp: is(4).then_some(46),
                is_rtp: true,
                clock_hz: 8000,
            },
            by_vlan: is(2),
        }
    });
    ways.collect()
}

/// What is done to a frame on its way to us.
#[derive(Clone, Debug)]
enum Harm {
    None,
    /// Bytes behind it, as short frames have.
    Padded(usize),
    /// IPv4: a wrong header checksum.
    Header,
    /// IPv4 flags and offset, or an IPv6 fragment header.
    Fragment(u16),
    /// IPv4 options, or an IPv6 extension header.
    Options(u8),
    /// The UDP length says so much more or less.
    Length(i16),
    /// The frame ends before the packet does.
    Cut(usize),
}

#[derive(Clone, Debug)]
struct Case {
    route: usize,
    /// The port it goes to, relative to the flow's.
    port: i32,
    stranger: Option<bool>,
    tag: Option<u16>,
    tos: u8,
    ttl: u8,
    check: Check,
    payload: Vec<u8>,
    harm: Harm,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        4 => 0..40_usize,
        4 => 150..200_usize,
        2 => 200..1520_usize,
        1 => 1430..1490_usize,
    ];
    let first = prop_oneof![
        6 => Just(0x80_u8),
        1 => 0..4_u8,
        1 => 20..64_u8,
        1 => any::<u8>(),
    ];
    (len, first, any::<u8>(), any::<u64>()).prop_map(|(len, first, second, mut seed)| {
        let mut bytes: Vec<u8> = (0..len)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        for (byte, value) in bytes.iter_mut().zip([first, second]) {
            *byte = value;
        }
        bytes
    })
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        12 => Just(Harm::None),
        3 => (1..46_usize).prop_map(Harm::Padded),
        1 => Just(Harm::Header),
        2 => (1..0x3fff_u16).prop_map(Harm::Fragment),
        2 => prop_oneof![Just(0_u8), Just(43), Just(51), Just(60)].prop_map(Harm::Options),
        2 => prop_oneof![-20..0_i16, 1..20_i16].prop_map(Harm::Length),
        2 => (1..60_usize).prop_map(Harm::Cut),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let check = prop_oneof![
        3 => Just(Check::Right), 2 => Just(Check::Absent), 1 => Just(Check::Wrong),
        2 => Just(Check::Partial)
    ];
    let port = prop_oneof![16 => Just(0), 1 => Just(1), 1 => Just(-20_000), 1 => Just(10_000)];
    let stranger = prop_oneof![8 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let tag = proptest::option::of(0..4095_u16);
    let head = (0..32_usize, port, stranger, tag);
    (head, any::<u8>(), any::<u8>(), check, payload(), harm()).prop_map(
        |((route, port, stranger, tag), tos, ttl, check, payload, harm)| Case {
            route,
            port,
            stranger,
            tag,
            tos,
            ttl,
            check,
            payload,
            harm,
        },
    )
}

/// Whether a packet's checksum is the sum of the pseudo-header alone, as where a device is to
/// complete it; one in 65,536 right ones looks like that too.
fn seems_partial(packet: &Packet) -> bool {
    let says = |check| {
        let bytes = Packet {
            check,
            ..packet.clone()
        }
        .bytes();
        let at = bytes.len() - packet.payload.len() - 2;
        [bytes[at], bytes[at + 1]]
    };
    says(packet.check) == says(Check::Partial)
}

impl Case {
    fn packet(&self, route: &Route) -> Packet {
        let SettledFlow { local, source, .. } = route.settled;
        let source = match (self.stranger, source) {
            (None, source) => source,
            (Some(true), mut source) => {
                source.set_port(source.port() ^ 0x100);
                source
            }
            (Some(false), source) => {
                let ip: IpAddr = if source.is_ipv4() {
                    "10.0.0.8".parse().unwrap()
                } else {
                    "2001:db8::1:9".parse().unwrap()
                };
                SocketAddr::new(ip, source.port())
            }
        };
        let port = (i32::from(local.port()) + self.port) as u16;
        Packet {
            tag: self.tag,
            tos: self.tos,
            ttl: self.ttl,
            check: self.check,
            id_and_flags: [self.tos, self.ttl, 0, 0],
            ..Packet::new(source, SocketAddr::new(local.ip(), port), &self.payload)
        }
    }

    /// The frame, after the harm; none if the harm is not one for this IP version.
    fn frame(&self, packet: &Packet) -> Option<Vec<u8>> {
        let mut frame = packet.bytes();
        let ip = packet.link_len();
        let v4 = packet.source.is_ipv4();
        let udp = ip + if v4 { 20 } else { 40 };
        match self.harm {
            Harm::None => {}
            Harm::Padded(len) => frame.resize(frame.len() + len, 0xee),
            Harm::Header if v4 => frame[ip + 10] ^= 0x10,
            Harm::Header => return None,
            Harm::Fragment(flags) if v4 => {
                frame[ip + 6..ip + 8].copy_from_slice(&flags.to_be_bytes());
                renew(&mut frame[ip..ip + 20]);
            }
            Harm::Fragment(offset) => extend(&mut frame, ip, 44, offset),
            Harm::Options(_) if v4 => {
                frame.splice(udp..udp, [1, 1, 1, 0]);
                frame[ip] = 0x46;
                let total = (frame.len() - ip) as u16;
                frame[ip + 2..ip + 4].copy_from_slice(&total.to_be_bytes());
                renew(&mut frame[ip..ip + 24]);
            }
            Harm::Options(kind) => extend(&mut frame, ip, kind, 0),
            Harm::Length(by) => {
                let len = (8 + self.payload.len()) as u16;
                let said = len.wrapping_add_signed(by).to_be_bytes();
                frame[udp + 4..udp + 6].copy_from_slice(&said);
            }
            // What is left has an IP header, of IPv6 the UDP header too.
            Harm::Cut(by) => {
                let least = if v4 { udp } else { udp + 8 };
                if frame.len() - by.min(frame.len()) < least {
                    return None;
                }
                frame.truncate(frame.len() - by);
            }
        }
        Some(frame)
    }

    fn expected(&self, route: &Route, packet: &Packet) -> Expected {
        match self.harm {
            Harm::Fragment(_) => return Expected::Met(Fate::UpFragment),
            Harm::Options(_) => return Expected::Met(Fate::UpOptions),
            Harm::Length(_) | Harm::Cut(_) => return Expected::Met(Fate::UpMalformed),
            Harm::None | Harm::Padded(_) | Harm::Header => {}
        }
        match self.port {
            0 => {}
            1 => return Expected::Met(Fate::UpUnknown),
            _ => return Expected::Passed,
        }
        let datagram = Datagram {
            source: packet.source,
            len: packet.payload.len(),
            truncated: false,
            first_byte: packet.payload.first().copied(),
            second_byte: packet.payload.get(1).copied(),
        };
        let decision = forward(&route.pair, FLOW, &datagram, 1, &mut Strangers::new(1));
        let v4_in = packet.source.is_ipv4();
        let v4_out = route.settled.to.is_ipv4();
        let len = 8 + packet.payload.len();
        match decision.verdict {
            Verdict::Drop(_) if self.stranger.is_some() => Expected::Met(Fate::DropStranger),
            Verdict::Drop(DropReason::StunOnPlain) => Expected::Met(Fate::UpStun),
            Verdict::Drop(DropReason::DtlsOnPlain) => Expected::Met(Fate::UpDtls),
            Verdict::Drop(other) => unreachable!("{other:?}"),
            Verdict::Forward(_) if matches!(self.harm, Harm::Header) => {
                Expected::Met(Fate::UpChecksum)
            }
            Verdict::Forward(_)
                if (self.check == Check::Absent && (!v4_in || (!v4_out && len > 1480)))
                    || (seems_partial(packet) && len > 1480) =>
            {
                Expected::Met(Fate::UpChecksum)
            }
            Verdict::Forward(_) if len + if v4_out { 20 } else { 40 } > MTU => {
                Expected::Met(Fate::UpTooBig)
            }
            Verdict::Forward(_) => Expected::Sent(self.sent(route, packet)),
        }
    }

    /// The packet re-addressed: made anew from what it says.
    fn sent(&self, route: &Route, packet: &Packet) -> Vec<u8> {
        let SettledFlow { from, to, dscp, .. } = route.settled;
        let made = match packet.check {
            Check::Absent if to.is_ipv4() => Check::Absent,
            _ => Check::Right,
        };
        Packet {
            to_mac: PEER_MAC,
            from_mac: if route.by_vlan { VLAN_MAC } else { DEVICE_MAC },
            tag: route.by_vlan.then_some(VLAN_TAG),
            tos: dscp.map_or(packet.tos, |dscp| dscp << 2 | packet.tos & 3),
            check: made,
            ..Packet::new(from, to, &packet.payload)
        }
        .bytes()
    }
}

/// Gives an IPv4 header the checksum that it should have.
fn renew(header: &mut [u8]) {
    header[10..12].copy_from_slice(&[0, 0]);
    let sum = checksum(&[header]).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
}

/// Puts an extension header of 8 bytes between IPv6 and UDP.
fn extend(frame: &mut Vec<u8>, ip: usize, kind: u8, offset: u16) {
    let [high, low] = offset.to_be_bytes();
    frame.splice(ip + 40..ip + 40, [17, 0, high, low, 0, 0, 0, 0]);
    frame[ip + 6] = kind;
    let len = (frame.len() - ip - 40) as u16;
    frame[ip + 4..ip + 6].copy_from_slice(&len.to_be_bytes());
}

/// Compares; a checksum that was wrong must still be, and everything else be right.
fn compare(case: &Case, expected: Vec<u8>, sent: &[u8]) -> Result<(), TestCaseError> {
    let mut sent = sent.to_vec();
    if case.check == Check::Wrong && sent.len() == expected.len() {
        let at = sent.len() - case.payload.len() - 2;
        let (said, right) = (&sent[at..at + 2], &expected[at..at + 2]);
        let same = said == right || (said == [0xff, 0xff] && right == [0, 0]);
        prop_assert!(!same && said != [0, 0], "a wrong checksum became right");
        let right = right.to_vec();
        sent[at..at + 2].copy_from_slice(&right);
    }
    prop_assert_eq!(sent, expected);
    Ok(())
}

#[test]
fn the_program_does_what_the_verdict_says_and_leaves_no_byte_out() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    let routes = routes();
    for route in &routes {
        bench
            .mirror
            .settle(&route.settled, Reception::default())
            .unwrap();
        // The next hop is asked for, once by us and once by the kernel.
        let SettledFlow { source, local, .. } = route.settled;
        let first = Packet::new(source, local, &[0x80; 12]).bytes();
        assert_eq!(
            bench.fate(&first),
            Some(Fate::SentOn),
            "{source} to {local}"
        );
    }
    let bench = std::cell::RefCell::new(bench);
    let cases = Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let test = |case: Case| {
        let route = &routes[case.route];
        let packet = case.packet(route);
        let Some(frame) = case.frame(&packet) else {
            return Ok(());
        };
        let (action, met, out) = bench.borrow_mut().show(&frame);
        match case.expected(route, &packet) {
            Expected::Sent(expected) => {
                prop_assert_eq!(met, Some(Fate::SentOn));
                // By another device than the one that BPF_PROG_RUN says it came by.
                prop_assert_eq!(action, 4);
                compare(&case, expected, &out)?;
            }
            Expected::Met(fate) => {
                prop_assert_eq!(met, Some(fate));
                prop_assert_eq!(action, if fate.is_up() { 2 } else { 1 });
                prop_assert_eq!(out, frame, "what goes up is as it came");
            }
            Expected::Passed => {
                prop_assert_eq!((met, action), (None, 2));
                prop_assert_eq!(out, frame);
            }
        }
        Ok(())
    };
    TestRunner::new(cases).run(&case(), test).unwrap();
    // The frames were such that each of these was met many times.
    let met = bench.borrow().mirror.fates().unwrap();
    for (fate, least) in [
        (Fate::SentOn, 5000),
        (Fate::DropStranger, 500),
        (Fate::UpUnknown, 300),
        (Fate::UpStun, 100),
        (Fate::UpDtls, 100),
        (Fate::UpFragment, 500),
        (Fate::UpOptions, 500),
        (Fate::UpMalformed, 1000),
        (Fate::UpChecksum, 1000),
        (Fate::UpTooBig, 100),
    ] {
        assert!(met.get(fate) >= least, "{fate:?}: {}", met.get(fate));
    }
}
