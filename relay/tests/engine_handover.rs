//! B7: an engine that starts goes on with the pairs of the one before: on the same ports, to the
//! same parties, with counters that go on.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::engine_support::*;
use patchbay_relay::engine::{
    Component, Engine, OpenError, OpenPair, PairHandover, PairSpec, Side,
};
use std::time::Duration;

/// Packets of each side so far, both components together, and when the last one came.
fn counted(engine: &Engine, pair: &OpenPair) -> ([u64; 2], Option<Duration>) {
    let stats = engine.stats(pair.id).unwrap();
    let of = |side| {
        let flows = [Component::Rtp, Component::Rtcp].map(|c| *stats.of(side, c));
        flows.iter().map(|flow| flow.accepted).sum()
    };
    ([of(Side::Client), of(Side::Agent)], stats.last_packet_age())
}

fn talk(client: &Phone, agent: &Phone, pair: &OpenPair, n: u8) {
    let [at_client, at_agent] = pair.local;
    let data = packet(n, 172);
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
}

/// A call under way, its engine gone, and what it left.
fn left(first_port: u16, last_port: u16) -> (Phone, Phone, OpenPair, PairHandover) {
    let engine = engine(first_port, last_port);
    let (client, agent, pair) = call(&engine);
    for n in 0..10 {
        talk(&client, &agent, &pair, n);
    }
    assert_eq!(counted(&engine, &pair).0, [10, 10]);
    let left = engine.hand_over(pair.id).unwrap();
    engine.shutdown();
    (client, agent, pair, left)
}

#[test]
fn a_call_goes_on_in_the_next_engine_on_the_same_ports() {
    if !alone() {
        return;
    }
    let (client, agent, before, left) = left(17_800, 17_899);
    let json = serde_json::to_string(&left).unwrap();
    let left: PairHandover = serde_json::from_str(&json).unwrap();
    let engine = engine(17_800, 17_899);
    let pair = engine
        .adopt(&left.clone().aged(Duration::from_secs(3600)))
        .unwrap();
    assert_eq!(pair.local, before.local);
    let (packets, silent) = counted(&engine, &pair);
    assert_eq!(packets, [10, 10]);
    assert!(silent.unwrap() >= Duration::from_secs(3600));
    for n in 10..20 {
        talk(&client, &agent, &pair, n);
    }
    let (packets, silent) = counted(&engine, &pair);
    assert_eq!(packets, [20, 20]);
    assert!(silent.unwrap() < Duration::from_secs(3600));
    // Reports go the way of the media.
    let report = [0x80, 201, 0, 1, 9, 9, 9, 9];
    let [at_client, at_agent] = pair.local;
    assert_passes(
        &agent.rtcp,
        at_agent.rtcp,
        &client.rtcp,
        at_client.rtcp,
        &report,
    );
    // A stranger is as little welcome as before.
    let stranger = socket(ELSEWHERE);
    let already = refused(&engine, &pair, Side::Client, Component::Rtp);
    stranger.send_to(&packet(9, 172), at_client.rtp).unwrap();
    talk(&client, &agent, &pair, 21);
    assert_silent(&agent.rtp);
    if STEERED {
        wait_for("the stranger to be counted", || {
            refused(&engine, &pair, Side::Client, Component::Rtp) == already + 1
        });
    }
    // What is handed over a second time is whole as well.
    let again = engine.hand_over(pair.id).unwrap();
    assert_eq!((again.local, again.remotes), (left.local, left.remotes));
    if STEERED {
        assert_eq!(again.counters.flows[0].strangers, already + 1);
    }
}

#[test]
fn a_side_that_holds_is_sent_nothing_by_the_next_engine() {
    if !alone() {
        return;
    }
    let first = engine(17_900, 17_949);
    let (client, agent, pair) = call(&first);
    (0..3).for_each(|n| talk(&client, &agent, &pair, n));
    let mut held = client.remote();
    held.receives = false;
    first.set_remote(pair.id, Side::Client, held).unwrap();
    let left = first.hand_over(pair.id).unwrap();
    first.shutdown();
    drop(first);
    let engine = engine(17_900, 17_949);
    let pair = engine.adopt(&left).unwrap();
    let [at_client, at_agent] = pair.local;
    agent.rtp.send_to(&packet(2, 172), at_agent.rtp).unwrap();
    for n in 3..6 {
        let music = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &music);
    }
    assert_silent(&client.rtp);
}

#[test]
fn a_pair_is_adopted_once_and_only_on_ports_that_are_free() {
    if !alone() {
        return;
    }
    let (client, agent, _, left) = left(17_950, 17_979);
    let engine = engine(17_950, 17_979);
    let pair = engine.adopt(&left).unwrap();
    assert!(matches!(
        engine.adopt(&left),
        Err(OpenError::PortInUse { ours: true, .. })
    ));
    (0..3).for_each(|n| talk(&client, &agent, &pair, n));
    let used = || engine.totals().pairs_open;
    assert_eq!(used(), 1);
    engine.close(pair.id);
    wait_for("its row to be closed", || used() == 0);

    // One port belongs to somebody else now: neither side's ports are taken.
    let theirs = std::net::UdpSocket::bind(left.local[1].rtcp).unwrap();
    assert!(matches!(
        engine.adopt(&left),
        Err(OpenError::PortInUse { ours: false, local }) if local == left.local[1].rtp
    ));
    assert_eq!(used(), 0);
    drop(theirs);
    engine.adopt(&left).unwrap();
    assert_eq!(used(), 1);
}

#[test]
fn ports_that_are_no_longer_ours_and_addresses_that_cannot_be_are_refused() {
    if !alone() {
        return;
    }
    let (_, _, _, left) = left(17_980, 17_983);
    let engine = engine(17_984, 17_999);
    engine.settles_nothing("there are no calls");
    assert!(matches!(
        engine.adopt(&left),
        Err(OpenError::PortForeign { local }) if local == left.local[0].rtp
    ));
    let mut wrong = left.clone();
    if let Some(remote) = &mut wrong.remotes[0] {
        remote.rtp.set_ip(V6);
    }
    assert!(matches!(engine.adopt(&wrong), Err(OpenError::Remote(_))));
    assert_eq!(engine.totals().pairs_open, 0);
}

#[test]
fn many_pairs_are_adopted_at_once() {
    if !alone() {
        return;
    }
    let first = engine(20_000, 23_999);
    first.settles_nothing("nobody sends anything");
    let opened: Vec<OpenPair> = (0..600)
        .map(|_| {
            let pair = first.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
            let phone = Phone::new(V4).remote();
            for side in Side::ALL {
                while first.set_remote(pair.id, side, phone).is_err() {
                    std::thread::yield_now();
                }
            }
            pair
        })
        .collect();
    let left = opened.iter().map(|pair| first.hand_over(pair.id).unwrap());
    let left: Vec<PairHandover> = left.collect();
    first.shutdown();
    drop(first);
    let engine = engine(20_000, 23_999);
    engine.settles_nothing("nobody sends anything");
    for (before, left) in opened.iter().zip(&left) {
        assert_eq!(engine.adopt(left).unwrap().local, before.local);
    }
    assert_eq!(engine.totals().pairs_open, 600);
}
