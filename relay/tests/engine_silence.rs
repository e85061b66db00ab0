//! F1: a call in which nobody speaks costs nothing, is sent nothing, and is known to be silent.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Side};
use patchbay_route::flow::Flow;

#[test]
fn nothing_is_sent_to_either_side_of_a_silent_call_and_its_counters_say_so() {
    if !alone() {
        return;
    }
    let engine = engine(17_000, 17_099);
    let (client, agent, silent) = call(&engine);
    let (other_client, other_agent, other) = call(&engine);
    // The engine has taken in all that was said of the silent call when the later one forwards.
    for n in 0..20 {
        assert_passes(
            &other_client.rtp,
            other.local[0].rtp,
            &other_agent.rtp,
            other.local[1].rtp,
            &packet(n, 172),
        );
    }
    for socket in [&client.rtp, &client.rtcp, &agent.rtp, &agent.rtcp] {
        assert_silent(socket);
    }
    let stats = engine.stats(silent.id).unwrap();
    assert_eq!(stats.last_packet_age(), None);
    assert_eq!((stats.forwarded(), stats.drops().total()), (0, 0));
    for flow in Flow::ALL {
        let flow = stats.of(flow.side, flow.component);
        assert_eq!((flow.received, flow.accepted, flow.bytes), (0, 0, 0));
        assert!(!flow.learned);
    }
    assert_eq!(engine.totals().received, 20);
}

#[test]
fn one_side_that_speaks_is_told_from_one_that_does_not() {
    if !alone() {
        return;
    }
    let engine = engine(17_100, 17_199);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    for n in 0..5 {
        let data = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    }
    let speaking = flow(&engine, &pair, Side::Client, Component::Rtp);
    let silent = flow(&engine, &pair, Side::Agent, Component::Rtp);
    assert_eq!((speaking.forwarded(), silent.received), (5, 0));
    assert!(speaking.last_packet_age.is_some());
    assert_eq!(silent.last_packet_age, None);
    assert_silent(&client.rtp);
}
