//! F7: the table at the device takes flows, gives them back with their counters, and says when it is
//! full.
#![allow(clippy::unwrap_used)]

use crate::engine_xdp_support::frames::{Packet, rtp};
use crate::engine_xdp_support::*;
use patchbay_relay::engine::xdp::{Fate, FlowTally, MirrorError, XdpConfig};

fn packet(port: u16, n: u16) -> Vec<u8> {
    let flow = plain_flow(port);
    let payload = rtp(n, u32::from(n) * 160, 7, 160);
    Packet::new(flow.source, flow.local, &payload).bytes()
}

#[test]
fn a_full_table_says_so_and_has_room_again() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&XdpConfig {
        max_flows: 4,
        ..lenient()
    });
    for port in 20_000..20_004 {
        bench.mirror.settle(&plain_flow(port)).unwrap();
    }
    let full = bench.mirror.settle(&plain_flow(20_004)).unwrap_err();
    assert!(matches!(full, MirrorError::Full { capacity: 4 }), "{full}");
    let full = bench.mirror.hand_up(at("10.0.0.1:20004"), None);
    assert!(matches!(full, Err(MirrorError::Full { .. })));
    assert_eq!(bench.fate(&packet(20_004, 0)), Some(Fate::UpUnknown));
    assert_eq!(bench.fate(&packet(20_003, 0)), Some(Fate::SentOn));

    // Churn with a full table: each place is found again.
    for _ in 0..100 {
        assert!(
            bench
                .mirror
                .unsettle(at("10.0.0.1:20000"))
                .unwrap()
                .is_some()
        );
        bench.mirror.settle(&plain_flow(20_004)).unwrap();
        assert!(
            bench
                .mirror
                .unsettle(at("10.0.0.1:20004"))
                .unwrap()
                .is_some()
        );
        bench.mirror.settle(&plain_flow(20_000)).unwrap();
    }
    assert_eq!(bench.mirror.len(), 4);
    assert_eq!(bench.fate(&packet(20_000, 0)), Some(Fate::SentOn));
}

#[test]
fn counters_end_with_their_flow_and_begin_anew_with_the_next() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&XdpConfig {
        max_flows: 1,
        ..lenient()
    });
    let local = at("10.0.0.1:20000");
    bench.mirror.settle(&plain_flow(20_000)).unwrap();
    let again = bench.mirror.settle(&plain_flow(20_000)).unwrap_err();
    assert!(matches!(again, MirrorError::Settled(_)), "{again}");
    assert_eq!(bench.fate(&packet(20_000, 0)), Some(Fate::SentOn));
    assert_eq!(bench.fate(&packet(20_000, 3)), Some(Fate::SentOn));
    let mut stranger = plain_flow(20_000).source;
    stranger.set_port(4001);
    let strange = Packet::new(stranger, plain_flow(20_000).local, &[0x80; 12]).bytes();
    assert_eq!(bench.fate(&strange), Some(Fate::DropStranger));

    let seen = bench.mirror.counters(local).unwrap().unwrap();
    assert_eq!((seen.packets, seen.bytes), (2, 2 * 172));
    assert_eq!((seen.missing, seen.late, seen.strangers), (2, 0, 1));
    assert!(seen.last_ns > 0);

    // In hands: the same counters come back once, and nothing is sent on.
    let source = plain_flow(0).source;
    let last = bench.mirror.hand_up(at("10.0.0.1:20000"), Some(source));
    assert_eq!(last.unwrap(), Some(seen));
    assert_eq!(bench.fate(&packet(20_000, 4)), Some(Fate::UpHands));
    assert_eq!(bench.fate(&strange), Some(Fate::UpUnknown));

    assert_eq!(bench.mirror.counters(local).unwrap(), None);

    let counted = |bench: &Bench| bench.mirror.counters(local).unwrap();
    bench.mirror.settle(&plain_flow(20_000)).unwrap();
    assert_eq!(counted(&bench), Some(FlowTally::default()));
    assert_eq!(bench.fate(&packet(20_000, 5)), Some(Fate::SentOn));
    let last = counted(&bench);
    assert_eq!(last.unwrap().packets, 1);
    assert_eq!(bench.mirror.unsettle(local).unwrap(), last);
    assert_eq!(bench.mirror.unsettle(local).unwrap(), None);
    assert!(bench.mirror.is_empty());
}

#[test]
fn ports_that_the_program_does_not_look_at_are_refused() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    let refused = bench.mirror.settle(&plain_flow(19_999)).unwrap_err();
    assert!(matches!(refused, MirrorError::Port(_)), "{refused}");
    let mut nowhere = plain_flow(20_000);
    nowhere.to.set_port(0);
    assert!(matches!(
        bench.mirror.settle(&nowhere),
        Err(MirrorError::Row(_))
    ));
    assert!(bench.mirror.is_empty());
}
