//! F7: gaps, late packets and jitter of RTP, with frames that are shown to the program.
#![allow(clippy::unwrap_used)]

use crate::engine_xdp_support::frames::{Packet, rtp};
use crate::engine_xdp_support::*;
use patchbay_relay::engine::xdp::{Fate, XdpConfig};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn gaps_late_packets_and_jitter_are_counted() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&lenient());
    let flow = plain_flow(20_000);
    bench.mirror.settle(&flow, Reception::default()).unwrap();
    let send = |bench: &mut Bench, payload: &[u8]| {
        let frame = Packet::new(flow.source, flow.local, payload).bytes();
        assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
    };
    let seen = |bench: &Bench| bench.mirror.counters(flow.local).unwrap();
    // Over the end of the numbers, two missing, one of them late, one twice.
    for sequence in [65_534, 65_535, 0, 1, 4, 3, 4, 5] {
        send(&mut bench, &rtp(sequence, 0, 7, 20));
    }
    let counted = seen(&bench);
    assert_eq!(
        (
            counted.packets,
            counted.heard.missing(),
            counted.heard.late()
        ),
        (8, 2, 2)
    );
    // All have one timestamp, and little time went by between them: the jitter is that time, far
    // below a second, which is 8000.
    assert!(counted.heard.jitter() < 8000, "{}", counted.heard.jitter());

    // RTCP on the same port and what is no RTP do not count as such.
    let mut report = rtp(9999, 0, 7, 20);
    report[1] = 200;
    send(&mut bench, &report);
    send(&mut bench, &[]);
    send(&mut bench, &[0x80, 0, 1]);
    assert_eq!(
        (seen(&bench).packets, seen(&bench).heard.missing()),
        (11, 2)
    );

    // A jump of the timestamp by 160 s moves the jitter by a 16th of it.
    let before = seen(&bench).heard.jitter();
    send(&mut bench, &rtp(6, 1_280_000, 7, 20));
    let jumped = seen(&bench).heard.jitter() - before;
    assert!((70_000..80_001).contains(&jumped), "{jumped}");

    // Another stream begins anew, with no gap.
    send(&mut bench, &rtp(40_000, 5, 8, 20));
    send(&mut bench, &rtp(40_001, 5, 8, 20));
    assert_eq!(
        (seen(&bench).heard.missing(), seen(&bench).heard.late()),
        (2, 2)
    );
    assert!(seen(&bench).heard.jitter() < 8000);

    // Without a clock there is no jitter, and of what is not RTP nothing of this is counted.
    for (port, is_rtp, missing) in [(20_002, true, 7), (20_004, false, 0)] {
        let mut other = plain_flow(port);
        (other.clock_hz, other.is_rtp) = (0, is_rtp);
        bench.mirror.settle(&other, Reception::default()).unwrap();
        for sequence in [1, 9] {
            let payload = rtp(sequence, 1_280_000 * u32::from(sequence), 7, 20);
            let frame = Packet::new(other.source, other.local, &payload).bytes();
            assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
        }
        let counted = bench.mirror.counters(other.local).unwrap();
        let heard = counted.heard;
        assert_eq!(
            (counted.packets, heard.missing(), heard.jitter()),
            (2, missing, 0)
        );
    }
}

#[test]
fn jitter_is_taken_of_one_packet_in_some() {
    if !alone() {
        return;
    }
    lay_wires();
    let mut bench = Bench::new(&XdpConfig {
        jitter_every: 4,
        ..lenient()
    });
    let flow = plain_flow(20_000);
    bench.mirror.settle(&flow, Reception::default()).unwrap();
    let send = |bench: &mut Bench, sequence: u16, timestamp: u32| {
        let payload = rtp(sequence, timestamp, 7, 20);
        let frame = Packet::new(flow.source, flow.local, &payload).bytes();
        assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
        bench.mirror.counters(flow.local).unwrap()
    };
    // Numbers 4 and 8 are taken, and the jump of 160 s between them; gaps are seen in any case.
    for sequence in [1, 2, 4, 5] {
        assert!(
            send(&mut bench, sequence, 1_280_000 * u32::from(sequence == 5))
                .heard
                .jitter()
                < 8000
        );
    }
    assert!(send(&mut bench, 7, 1_280_000).heard.jitter() < 8000);
    let counted = send(&mut bench, 8, 1_280_000);
    assert!(
        (70_000..80_001).contains(&counted.heard.jitter()),
        "{}",
        counted.heard.jitter()
    );
    assert_eq!((counted.heard.missing(), counted.heard.late()), (2, 0));
}

/// How a stream goes on: by how much the number rises, and whether it is another stream from here.
fn steps() -> impl Strategy<Value = Vec<(i32, bool)>> {
    let rise = prop_oneof![
        6 => Just(1),
        3 => -3..6_i32,
        1 => -120..-80_i32,
        1 => 2_950..3_050_i32,
        1 => any::<i16>().prop_map(i32::from),
    ];
    prop::collection::vec((rise, prop::bool::weighted(0.02)), 1..60)
}

#[test]
fn program_and_packet_threads_hear_alike() {
    if !alone() {
        return;
    }
    lay_wires();
    let bench = std::cell::RefCell::new(Bench::new(&lenient()));
    let flow = plain_flow(20_000);
    let cases = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let run = |start: u16, first: Vec<(i32, bool)>, second: Vec<(i32, bool)>| {
        let mut bench = bench.borrow_mut();
        let (mut sequence, mut ssrc) = (start, 7);
        let mut packets = |steps: Vec<(i32, bool)>| -> Vec<Vec<u8>> {
            let each = steps.into_iter().map(|(rise, is_other)| {
                sequence = sequence.wrapping_add(rise as u16);
                ssrc += u32::from(is_other);
                rtp(sequence, 0, ssrc, 20)
            });
            each.collect()
        };
        // The first part is heard here alone, then it changes over.
        let mut heard = Reception::default();
        for payload in packets(first) {
            heard.hear(&payload, 0, 0, 0);
        }
        bench.mirror.settle(&flow, heard).unwrap();
        for payload in packets(second) {
            heard.hear(&payload, 0, 0, 0);
            let frame = Packet::new(flow.source, flow.local, &payload).bytes();
            prop_assert_eq!(bench.fate(&frame), Some(Fate::SentOn));
        }
        let counted = bench.mirror.unsettle(flow.local).unwrap().heard;
        prop_assert_eq!(
            (counted.missing(), counted.late()),
            (heard.missing(), heard.late())
        );
        Ok(())
    };
    TestRunner::new(cases)
        .run(
            &(any::<u16>(), steps(), steps()),
            |(start, first, second)| run(start, first, second),
        )
        .unwrap();
}
