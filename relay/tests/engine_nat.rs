//! F1: a party behind NAT sends from another port or address than its SDP says.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, PairSpec, Side};
use std::time::Duration;

#[test]
fn another_port_is_learned_within_the_window_and_refused_after_it() {
    if !alone() {
        return;
    }
    let engine = engine(11_300, 11_399);
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let [at_client, at_agent] = pair.local;
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    // The agent's SDP has an address that does not reach it; its signalling came from V4.
    let mut behind_nat = agent.remote();
    behind_nat.rtp = (NOWHERE, 4000).into();
    behind_nat.rtcp = (NOWHERE, 4001).into();
    engine.set_remote(pair.id, Side::Agent, behind_nat).unwrap();
    for n in 0..3 {
        let (from, to) = (packet(n, 60), packet(n, 61));
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &from);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &to);
    }

    // A window of no length: only the exact address will do.
    let closed = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let [at_client, at_agent] = closed.local;
    let mut exact = client.remote();
    exact.learn_window = Duration::ZERO;
    engine.set_remote(closed.id, Side::Client, exact).unwrap();
    engine
        .set_remote(closed.id, Side::Agent, agent.remote())
        .unwrap();
    let other_port = socket(V4);
    other_port.send_to(b"late", at_client.rtp).unwrap();
    let drops = || flow(&engine, &closed, Side::Client, Component::Rtp).drops;
    wait_for("the refusal", || {
        drops().get(DropReason::SourceUnexpected) == 1
    });
    assert_silent(&agent.rtp);
    assert_passes(
        &client.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"exact",
    );
}
