//! F1, B7: a party that sends from another port than it receives at. The learned source is where
//! its packets go (symmetric RTP, RFC 4961), unless its SDP says otherwise.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, PairSpec, Side};

#[test]
fn the_learned_source_becomes_the_destination() {
    if !alone() {
        return;
    }
    let engine = engine(17_800, 17_899);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let mouth = socket(V4);
    let data = packet(1, 172);
    // Nothing learned yet: to the signalled port.
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    assert_passes(&mouth, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    for n in 0..5 {
        let data = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &mouth, at_agent.rtp, &data);
        assert_passes(&mouth, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    }
    assert_silent(&agent.rtp);
}

#[test]
fn a_party_that_says_so_is_sent_to_its_own_port_and_heard_from_the_other() {
    if !alone() {
        return;
    }
    let engine = engine(17_900, 17_999);
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let [at_client, at_agent] = pair.local;
    let mut asymmetric = agent.remote();
    asymmetric.symmetric = false;
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    engine.set_remote(pair.id, Side::Agent, asymmetric).unwrap();
    let mouth = socket(V4);
    for n in 0..20 {
        let data = packet(n, 172);
        assert_passes(&mouth, at_agent.rtp, &client.rtp, at_client.rtp, &data);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    }
    assert_silent(&mouth);
    // It is locked to that source like any other: the rest is refused, and counted.
    for (n, stranger) in [socket(V4), socket(ELSEWHERE)].into_iter().enumerate() {
        stranger.send_to(&packet(9, 172), at_agent.rtp).unwrap();
        wait_for("the refusal", || {
            refused(&engine, &pair, Side::Agent, Component::Rtp) == n as u64 + 1
        });
        assert_silent(&stranger);
    }
    // When it becomes symmetric by new SDP, it is sent to where it speaks from.
    engine
        .set_remote(pair.id, Side::Agent, agent.remote())
        .unwrap();
    wait_for("learning to start anew", || {
        !flow(&engine, &pair, Side::Agent, Component::Rtp).learned
    });
    let data = packet(77, 172);
    assert_passes(&mouth, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    assert_passes(&client.rtp, at_client.rtp, &mouth, at_agent.rtp, &data);
    assert_silent(&client.rtp);
}
