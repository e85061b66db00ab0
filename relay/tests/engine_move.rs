//! B6: a re-INVITE moves the medium, puts it on hold and takes it back.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, Side};

#[test]
fn a_side_moves_is_held_and_comes_back() {
    if !alone() {
        return;
    }
    let engine = engine(11_400, 11_499);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    assert_passes(
        &client.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"here",
    );
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &client.rtp,
        at_client.rtp,
        b"here",
    );

    let moved = Phone::new(V4);
    engine
        .set_remote(pair.id, Side::Client, moved.remote())
        .unwrap();
    wait_for("learning to start anew", || {
        !flow(&engine, &pair, Side::Client, Component::Rtp).learned
    });
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &moved.rtp,
        at_client.rtp,
        b"follows",
    );
    assert_passes(
        &moved.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"there",
    );
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &moved.rtp,
        at_client.rtp,
        b"there",
    );
    assert_silent(&client.rtp);

    let mut held = moved.remote();
    held.rtp = "0.0.0.0:4000".parse().unwrap();
    held.rtcp = "0.0.0.0:4001".parse().unwrap();
    engine.set_remote(pair.id, Side::Client, held).unwrap();
    wait_for("learning to start anew", || {
        !flow(&engine, &pair, Side::Client, Component::Rtp).learned
    });
    agent.rtp.send_to(b"to the held", at_agent.rtp).unwrap();
    let drops = || flow(&engine, &pair, Side::Agent, Component::Rtp).drops;
    wait_for("the drop", || drops().get(DropReason::RemoteHeld) == 1);
    assert_silent(&moved.rtp);

    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    assert_passes(
        &client.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"back",
    );
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &client.rtp,
        at_client.rtp,
        b"back",
    );
}
