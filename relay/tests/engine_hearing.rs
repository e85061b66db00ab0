//! F7: gaps, late packets and jitter of what each side sends, whatever becomes of it.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Side};

#[test]
fn what_is_missing_or_late_is_counted_for_each_side() {
    if !alone() {
        return;
    }
    let engine = engine(13_900, 13_999);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let both = |client_sends: &[u16], agent_sends: &[u16]| {
        for sequence in client_sends {
            let data = audio(*sequence);
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        }
        for sequence in agent_sends {
            let data = audio(*sequence);
            assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
        }
    };
    let seen = |side| {
        let heard = flow(&engine, &pair, side, Component::Rtp).heard;
        (heard.missing(), heard.late(), heard.lost())
    };
    // By the slow way and, once both are learned, by the fast one; over the end of the numbers.
    both(&[65_533, 65_535, 0, 3, 2, 4], &[10, 11, 12]);
    both(&[5, 8], &[12, 14]);
    assert_eq!(seen(Side::Client), (5, 1, 4));
    assert_eq!(seen(Side::Agent), (1, 1, 0));

    // Reports, strangers and what is no RTP do not count.
    let mut report = audio(500);
    report[1] = 200;
    for data in [&report[..], b"hello", &[0x80; 11]] {
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, data);
    }
    let stranger = socket(ELSEWHERE);
    stranger.send_to(&audio(50), at_client.rtp).unwrap();
    assert_passes(
        &client.rtcp,
        at_client.rtcp,
        &agent.rtcp,
        at_agent.rtcp,
        &audio(9),
    );
    both(&[9], &[]);
    assert_eq!(seen(Side::Client), (5, 1, 4));
    let rtcp = flow(&engine, &pair, Side::Client, Component::Rtcp);
    assert_eq!((rtcp.heard, rtcp.jitter()), Default::default());

    // What a hold keeps from the other side is heard all the same.
    let mut held = agent.remote();
    held.receives = false;
    engine.set_remote(pair.id, Side::Agent, held).unwrap();
    let drops = || {
        flow(&engine, &pair, Side::Client, Component::Rtp)
            .drops
            .total()
    };
    wait_for("the hold", || engine.health()[0].waiting == 0);
    for (sequence, n) in [(10, 1), (12, 2), (13, 3)] {
        client.rtp.send_to(&audio(sequence), at_client.rtp).unwrap();
        wait_for("it to be dropped", || drops() == n);
    }
    engine
        .set_remote(pair.id, Side::Agent, agent.remote())
        .unwrap();
    wait_for("the end of the hold", || engine.health()[0].waiting == 0);
    both(&[14, 16], &[15]);
    assert_eq!(seen(Side::Client), (7, 1, 6));
    assert_eq!(seen(Side::Agent), (1, 1, 0));
}

#[test]
fn jitter_is_taken_once_the_clock_is_known() {
    if !alone() {
        return;
    }
    let engine = engine(14_000, 14_099);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    // A clock of the other phone is not this one's.
    let mut remote = agent.remote();
    remote.clock_hz = 8000;
    let tell = |side, remote| {
        engine.set_remote(pair.id, side, remote).unwrap();
        wait_for("it to be known", || engine.health()[0].waiting == 0);
    };
    tell(Side::Agent, remote);
    let send = |sequences: std::ops::Range<u16>| {
        for sequence in sequences {
            // 20 s from one to the next, by their timestamps.
            let mut data = audio(sequence);
            data[4..8].copy_from_slice(&(u32::from(sequence) * 160_000).to_be_bytes());
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        }
    };
    let jitter = || flow(&engine, &pair, Side::Client, Component::Rtp).jitter();
    send(0..40);
    assert_eq!(jitter(), None);
    let mut remote = client.remote();
    remote.clock_hz = 8000;
    tell(Side::Client, remote);
    send(40..200);
    // One in four is taken: they are some 80 s early each, and each moves it by a 16th.
    let jitter = jitter().unwrap().as_secs();
    assert!((60..=80).contains(&jitter), "{jitter} s");
    assert_eq!(
        flow(&engine, &pair, Side::Client, Component::Rtp)
            .heard
            .missing(),
        0
    );
}
