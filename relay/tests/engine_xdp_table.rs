//! F7: the table at the device takes flows, gives them back with their counters, and says what it
//! cannot take.
#![allow(clippy::unwrap_used)]

use crate::engine_xdp_support::frames::{Packet, rtp};
use crate::engine_xdp_support::*;
use patchbay_relay::engine::xdp::{Fate, FlowTally, MirrorError};

fn packet(port: u16, n: u16) -> Vec<u8> {
    let flow = plain_flow(port);
    let payload = rtp(n, u32::from(n) * 160, 7, 160);
    Packet::new(flow.source, flow.local, &payload).bytes()
}

#[test]
fn counters_end_with_their_flow_and_begin_anew_with_the_next() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    let local = at("10.0.0.1:20000");
    bench
        .mirror
        .settle(&plain_flow(20_000), Reception::default())
        .unwrap();
    let again = bench
        .mirror
        .settle(&plain_flow(20_000), Reception::default())
        .unwrap_err();
    assert!(matches!(again, MirrorError::Settled(_)), "{again}");
    assert_eq!(bench.fate(&packet(20_000, 0)), Some(Fate::SentOn));
    assert_eq!(bench.fate(&packet(20_000, 3)), Some(Fate::SentOn));
    let mut stranger = plain_flow(20_000).source;
    stranger.set_port(4001);
    let strange = Packet::new(stranger, plain_flow(20_000).local, &[0x80; 12]).bytes();
    assert_eq!(bench.fate(&strange), Some(Fate::DropStranger));

    let seen = bench.mirror.counters(local).unwrap();
    assert_eq!((seen.packets, seen.bytes), (2, 2 * 172));
    assert_eq!(
        (seen.heard.missing(), seen.heard.late(), seen.strangers),
        (2, 0, 1)
    );
    assert!(seen.last_ns > 0);

    // In hands: the same counters come back once, and nothing is sent on.
    let source = plain_flow(0).source;
    let last = bench.mirror.hand_up(at("10.0.0.1:20000"), Some(source));
    assert_eq!(last.unwrap(), Some(seen));
    assert_eq!(bench.fate(&packet(20_000, 4)), Some(Fate::UpHands));
    assert_eq!(bench.fate(&strange), Some(Fate::UpUnknown));

    assert_eq!(bench.mirror.counters(local), None);

    let counted = |bench: &Bench| bench.mirror.counters(local);
    bench
        .mirror
        .settle(&plain_flow(20_000), Reception::default())
        .unwrap();
    assert_eq!(counted(&bench), Some(FlowTally::default()));
    assert_eq!(bench.mirror.settled().collect::<Vec<_>>(), [local]);
    assert_eq!(bench.fate(&packet(20_000, 5)), Some(Fate::SentOn));
    let last = counted(&bench);
    assert_eq!(last.unwrap().packets, 1);
    // What was heard goes on where it ended, if it is handed back.
    let heard = bench.mirror.hand_up(local, None).unwrap().unwrap().heard;
    bench.mirror.settle(&plain_flow(20_000), heard).unwrap();
    assert_eq!(bench.fate(&packet(20_000, 8)), Some(Fate::SentOn));
    let last = counted(&bench);
    assert_eq!(last.unwrap().heard.missing(), 2);
    assert_eq!(bench.mirror.unsettle(local), last);
    assert_eq!(bench.mirror.unsettle(local), None);
    assert_eq!(bench.mirror.settled().count(), 0);
}

#[test]
fn ports_that_the_program_does_not_look_at_are_refused() {
    if !alone() {
        return;
    }
    lay_wires();
    let bench = Bench::new(&lenient());
    let refused = bench
        .mirror
        .settle(&plain_flow(19_999), Reception::default())
        .unwrap_err();
    assert!(matches!(refused, MirrorError::Port(_)), "{refused}");
    let mut nowhere = plain_flow(20_000);
    nowhere.to.set_port(0);
    assert!(matches!(
        bench.mirror.settle(&nowhere, Reception::default()),
        Err(MirrorError::Row(_))
    ));
    assert_eq!(bench.mirror.settled().count(), 0);
}
