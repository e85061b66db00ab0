//! F1: a call that passes the relay twice: the agent's side of one pair is the client's of
//! another.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Engine, EngineConfig, LocalAddrs, PairSpec, Remote, Side};
use patchbay_route::flow::Flow;
use std::net::IpAddr;

/// The relay's own address as a remote.
fn ours(local: LocalAddrs) -> Remote {
    Remote::new(local.rtp, local.rtcp, local.rtp.ip(), WINDOW)
}

fn pass_twice(engine: &Engine, middle: IpAddr) {
    let (caller, callee) = (Phone::new(V4), Phone::new(V4));
    let first = engine.open(PairSpec::new(HERE_V4, middle)).unwrap();
    let second = engine.open(PairSpec::new(middle, HERE_V4)).unwrap();
    for (pair, side, remote) in [
        (first, Side::Client, caller.remote()),
        (first, Side::Agent, ours(second.local[0])),
        (second, Side::Client, ours(first.local[1])),
        (second, Side::Agent, callee.remote()),
    ] {
        engine.set_remote(pair.id, side, remote).unwrap();
    }
    let (at_caller, at_callee) = (first.local[0], second.local[1]);
    for n in 0..20 {
        let data = packet(n, 172);
        assert_passes(
            &caller.rtp,
            at_caller.rtp,
            &callee.rtp,
            at_callee.rtp,
            &data,
        );
        assert_passes(
            &callee.rtp,
            at_callee.rtp,
            &caller.rtp,
            at_caller.rtp,
            &data,
        );
        let report = [0x80, 200, 0, 1, n, 9, 9, 9];
        let (here, there) = (at_caller.rtcp, at_callee.rtcp);
        assert_passes(&caller.rtcp, here, &callee.rtcp, there, &report);
        assert_passes(&callee.rtcp, there, &caller.rtcp, here, &report);
    }
    for pair in [first, second] {
        let stats = engine.stats(pair.id).unwrap();
        assert_eq!((stats.forwarded(), stats.drops().total()), (80, 0));
        for flow in Flow::ALL {
            assert!(stats.of(flow.side, flow.component).learned);
        }
        let rtp = stats.of(Side::Client, Component::Rtp);
        assert_eq!(rtp.forwarded(), 20);
    }
}

#[test]
fn a_call_passes_the_relay_twice_and_each_pair_counts_it() {
    if !alone() {
        return;
    }
    for threads in [1, 2] {
        // With two threads the pairs are on different ones.
        let config = EngineConfig {
            threads,
            ports: 18_400..=18_499,
            seed: 1,
            ..EngineConfig::default()
        };
        let engine = start(config);
        engine.settles_nothing("what goes from port to port of the relay does so by loopback");
        pass_twice(&engine, HERE_V4);
        pass_twice(&engine, HERE_V6);
    }
}

#[test]
fn a_pair_that_is_told_that_it_is_its_own_peer_does_no_harm() {
    if !alone() {
        return;
    }
    let engine = engine(18_500, 18_599);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    // Each side's remote is the other side's own socket: whatever came in would go round.
    let looped = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    for side in Side::ALL {
        let own = looped.local[side.other().index()];
        engine.set_remote(looped.id, side, ours(own)).unwrap();
    }
    let stranger = socket(ELSEWHERE);
    for n in 0..50 {
        stranger
            .send_to(&packet(n, 172), looped.local[0].rtp)
            .unwrap();
        let data = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    }
    let stats = engine.stats(looped.id).unwrap();
    assert_eq!(stats.forwarded(), 0, "nobody can start the circle");
}
