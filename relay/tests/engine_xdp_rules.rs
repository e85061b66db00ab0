//! F7: limits on strangers, and next hops, with frames that are shown to the program.
#![allow(clippy::unwrap_used)]

use crate::engine_xdp_support::frames::{Check, Packet, rtp};
use crate::engine_xdp_support::*;
use patchbay_relay::engine::MAX_STEERED_IPS;
use patchbay_relay::engine::xdp::{Fate, Mode, XdpConfig};
use patchbay_route::limits;
use std::time::Duration;

fn from(source: &str, port: u16) -> Vec<u8> {
    let local = if source.starts_with('[') {
        "[2001:db8::1]:0"
    } else {
        "10.0.0.1:0"
    };
    let mut local = at(local);
    local.set_port(port);
    Packet::new(at(source), local, &[0x80; 20]).bytes()
}

/// Of so many copies of a frame, how many met which fate.
fn shown(bench: &mut Bench, frame: &[u8], times: u32, fate: Fate) -> u64 {
    let before = bench.mirror.fates().unwrap().get(fate);
    bench.driver.run(frame, &mut bench.out, times).unwrap();
    bench.mirror.fates().unwrap().get(fate) - before
}

// B6
#[test]
fn an_unknown_source_is_heard_so_often_and_others_as_well() {
    if !alone() {
        return;
    }
    lay_wires();
    // One token a second: none comes back in the time that this takes, or a few on a slow machine.
    let mut bench = Bench::new(&XdpConfig {
        source_rate: 1,
        source_burst: 50,
        unknown_rate: 1,
        unknown_burst: 120,
        ..lenient()
    });
    let expected = at("10.0.0.8:77");
    bench
        .mirror
        .hand_up(at("10.0.0.1:20002"), Some(expected))
        .unwrap();
    let up = |bench: &mut Bench, frame: &[u8]| shown(bench, frame, 1000, Fate::UpUnknown);
    let limited = |count: u64, least: u64| assert!((least..least + 10).contains(&count), "{count}");

    bench
        .mirror
        .hand_up(at("[2001:db8::1]:20000"), None)
        .unwrap();
    // Whatever the port, and whether or not anything is said of it.
    limited(up(&mut bench, &from("10.0.0.66:1", 20_000)), 50);
    limited(up(&mut bench, &from("10.0.0.66:2", 20_002)), 0);
    // One IPv6 network is one source.
    limited(up(&mut bench, &from("[2001:db8::66]:1", 20_000)), 50);
    limited(up(&mut bench, &from("[2001:db8::67]:1", 20_000)), 0);
    // All unknown sources together are limited as well: 20 are left.
    limited(up(&mut bench, &from("10.0.0.67:1", 20_000)), 20);
    limited(up(&mut bench, &from("10.0.0.68:1", 20_000)), 0);
    let fates = bench.mirror.fates().unwrap();
    assert!(fates.get(Fate::DropSourceLimited) > 3000);
    assert!(fates.get(Fate::DropUnknownLimited) > 10);

    // Whoever is expected is not, and neither are ports that are not ours.
    let known = from("10.0.0.8:77", 20_002);
    assert_eq!(shown(&mut bench, &known, 1000, Fate::UpHands), 1000);
    assert_eq!(bench.show(&from("10.0.0.66:1", 5060)).0, 2);
}

// B6
#[test]
fn a_flood_of_a_settled_flow_ends_at_the_device() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&XdpConfig {
        packets_per_window: XdpConfig::default().packets_per_window,
        ..lenient()
    });
    // Each packet is re-addressed into the same flow's next, so that one run is a flood.
    let mut flow = plain_flow(20_000);
    (flow.from, flow.to) = (at("10.0.0.9:4000"), at("10.0.0.1:20000"));
    run(&format!("ip address del 10.0.0.1/24 dev {DEVICE}"));
    run(&format!("ip address add 10.0.0.3/24 dev {DEVICE}"));
    run(&format!(
        "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:09 dev {DEVICE} nud permanent"
    ));
    bench.mirror.settle(&flow, Reception::default()).unwrap();
    let frame = Packet::new(flow.source, flow.local, &[0x80; 20]).bytes();
    assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
    let dropped = shown(&mut bench, &frame, 1_000_000, Fate::DropFlood);
    let sent = bench.mirror.fates().unwrap().get(Fate::SentOn);
    assert!(dropped > 0, "a million at once are a flood");
    assert_eq!(dropped + sent, 1_000_001);
    let counted = bench.mirror.counters(flow.local).unwrap();
    assert_eq!(counted.packets, sent);
}

#[test]
fn without_a_way_out_packets_go_up_by_name() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&XdpConfig {
        hop_age: Duration::ZERO,
        ..lenient()
    });
    run("ip link add xdp-other type veth peer name xdp-far");
    run("ip address add 10.0.7.1/24 dev xdp-other");
    run("ip link set xdp-other up");
    run("ip link set xdp-far up");
    run("ip neigh replace 10.0.7.9 lladdr 02:00:00:00:00:09 dev xdp-other nud permanent");
    let met = |bench: &mut Bench, port: u16, to: &str| {
        let mut flow = plain_flow(port);
        flow.to = at(to);
        bench.mirror.settle(&flow, Reception::default()).unwrap();
        bench.fate(&Packet::new(flow.source, flow.local, &[0x80; 20]).bytes())
    };
    assert_eq!(met(&mut bench, 20_000, "10.0.0.9:1"), Some(Fate::SentOn));
    assert_eq!(
        met(&mut bench, 20_002, "10.0.0.8:1"),
        Some(Fate::UpNoNeighbour)
    );
    assert_eq!(
        met(&mut bench, 20_004, "192.0.2.1:1"),
        Some(Fate::UpNoRoute)
    );
    assert_eq!(met(&mut bench, 20_006, "10.0.0.1:1"), Some(Fate::UpNoRoute));
    assert_eq!(
        met(&mut bench, 20_008, "10.0.7.9:1"),
        Some(Fate::UpOtherDevice)
    );

    // Asked for each packet here, so that what changes counts at once.
    let flow = plain_flow(20_000);
    let frame = Packet::new(flow.source, flow.local, &[0x80; 20]).bytes();
    run(&format!("ip neigh del 10.0.0.9 dev {DEVICE}"));
    assert_eq!(bench.fate(&frame), Some(Fate::UpNoNeighbour));
    run(&format!(
        "ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:0a dev {DEVICE}"
    ));
    assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
    let (_, _, out) = bench.show(&frame);
    assert_eq!(out[..6], [2, 0, 0, 0, 0, 0x0a]);
    run("sysctl -q -w net.ipv4.conf.lo.forwarding=0");
    assert_eq!(bench.fate(&frame), Some(Fate::UpLookupsOff));
    bench.driver.allow_route_lookups().unwrap();
    assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
}

#[test]
fn checksums_left_to_a_device_stay_so_where_the_kernel_knows_of_it() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    let mut v6 = plain_flow(20_002);
    (v6.from, v6.to) = (at("[2001:db8::1]:20004"), at("[2001:db8::9]:1"));
    let mut back = plain_flow(20_004);
    (back.local, back.source) = (at("[2001:db8::1]:20004"), at("[2001:db8::9]:1"));
    for flow in [plain_flow(20_000), v6, back] {
        bench.mirror.settle(&flow, Reception::default()).unwrap();
        for (mode, check) in [
            (Mode::Native, Check::Right),
            (Mode::Generic, Check::Partial),
        ] {
            bench.mirror.set_mode(mode);
            let with = |source, target, check| Packet {
                check,
                ..Packet::new(source, target, &rtp(7, 8, 9, 33))
            };
            let (_, fate, left) =
                bench.show(&with(flow.source, flow.local, Check::Partial).bytes());
            assert_eq!(fate, Some(Fate::SentOn));
            let mut expected = with(flow.from, flow.to, check);
            (expected.to_mac, expected.from_mac) = (PEER_MAC, DEVICE_MAC);
            assert_eq!(left, expected.bytes(), "{mode}");
        }
    }
}

#[test]
fn neighbours_in_use_are_seen_to() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    // One that the kernel has not heard of for long, at both kinds of address.
    let state = |host: &str| {
        let shown = std::process::Command::new("ip")
            .args(["neigh", "show", host, "dev", DEVICE])
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        shown.split_whitespace().last().unwrap_or("").to_owned()
    };
    let hosts = ["10.0.0.9", "2001:db8::9"];
    for host in hosts {
        run(&format!(
            "ip neigh replace {host} lladdr 02:00:00:00:00:09 dev {DEVICE} nud stale"
        ));
    }
    let neighbours = bench.driver.neighbours().unwrap();
    let now = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    };
    assert_eq!(neighbours.refresh(now()).unwrap(), 0);
    let flow = plain_flow(20_000);
    bench.mirror.settle(&flow, Reception::default()).unwrap();
    let mut v6 = plain_flow(20_002);
    (v6.from, v6.to) = (at("[2001:db8::1]:20004"), at("[2001:db8::9]:1"));
    bench.mirror.settle(&v6, Reception::default()).unwrap();
    for flow in [flow, v6] {
        let frame = Packet::new(flow.source, flow.local, &[0x80; 20]).bytes();
        assert_eq!(
            [(); 3].map(|()| bench.fate(&frame)),
            [Some(Fate::SentOn); 3]
        );
    }
    // What the program sends makes the kernel ask nobody; this does.
    assert_eq!(hosts.map(state), ["STALE", "STALE"]);
    assert_eq!(neighbours.refresh(now()).unwrap(), 2);
    assert!(!hosts.map(state).contains(&"STALE".to_owned()));
    // Those that were used long ago are left alone.
    let later = now() + limits::DEVICE_NEIGHBOUR_AGE_NS;
    assert_eq!(neighbours.refresh(later).unwrap(), 0);
}

#[test]
fn addresses_that_have_no_rows_are_left_alone() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    bench.mirror.hand_up(at("10.0.0.1:20000"), None).unwrap();
    for elsewhere in [
        "10.0.0.2:20000",
        "10.0.0.1:19999",
        "[::ffff:10.0.0.1]:20000",
    ] {
        let to = at(elsewhere);
        let source = if to.is_ipv4() {
            "10.0.0.9:1"
        } else {
            "[2001:db8::9]:1"
        };
        let frame = Packet::new(at(source), to, &[0x80; 20]).bytes();
        assert_eq!(bench.fate(&frame), None, "{elsewhere}");
    }
    // There are so many, and no more.
    for n in 1..MAX_STEERED_IPS as u8 {
        let local = at(&format!("10.0.1.{n}:20000"));
        bench.mirror.hand_up(local, None).unwrap();
        let frame = Packet::new(at("10.0.0.9:1"), local, &[0x80; 20]).bytes();
        assert_eq!(bench.fate(&frame), Some(Fate::UpUnknown));
    }
    let refused = bench
        .mirror
        .hand_up(at("10.0.2.1:20000"), None)
        .unwrap_err();
    assert!(refused.to_string().contains("10.0.2.1"), "{refused}");
}

#[test]
fn what_would_go_up_to_an_engine_that_is_away_is_dropped() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    let flow = plain_flow(20_000);
    bench.mirror.settle(&flow, Reception::default()).unwrap();
    bench
        .mirror
        .hand_up(at("10.0.0.1:20002"), Some(flow.source))
        .unwrap();
    let settled = Packet::new(flow.source, flow.local, &[0x80; 20]).bytes();
    let hands = Packet::new(flow.source, at("10.0.0.1:20002"), &[0x80; 20]).bytes();
    let unknown = Packet::new(flow.source, at("10.0.0.1:20004"), &[0x80; 20]).bytes();
    let fates = |bench: &mut Bench| [&settled, &hands, &unknown].map(|frame| bench.fate(frame));
    let present = [Fate::SentOn, Fate::UpHands, Fate::UpUnknown].map(Some);
    assert_eq!(fates(&mut bench), present);
    bench.mirror.set_presence(0, u64::MAX);
    let away = [Fate::SentOn, Fate::DropAway, Fate::DropAway].map(Some);
    assert_eq!(fates(&mut bench), away);
    // Long gone, it is as if the program were not there.
    bench.mirror.set_presence(0, 0);
    assert_eq!(fates(&mut bench), [None; 3]);
    bench.mirror.set_presence(u64::MAX, u64::MAX);
    assert_eq!(fates(&mut bench), present);
}
