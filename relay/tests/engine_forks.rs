//! B6, B7: early media of several phones behind one offer: one is heard at a time, and once the
//! call is answered the others are not.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, Engine, OpenPair, PairSpec, Side};

/// What the SIP side does at a 183 or 200 of a phone.
fn answers(engine: &Engine, pair: &OpenPair, phone: &Phone) {
    engine
        .set_remote(pair.id, Side::Agent, phone.remote())
        .unwrap();
    wait_for("learning to start anew", || {
        !flow(engine, pair, Side::Agent, Component::Rtp).learned
    });
}

#[test]
fn the_fork_that_spoke_up_last_is_heard_and_the_answering_one_has_the_call() {
    if !alone() {
        return;
    }
    let engine = engine(18_300, 18_399);
    let (client, first, second) = (Phone::new(V4), Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let [at_client, at_agent] = pair.local;
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    let ignored = || {
        let agent = flow(&engine, &pair, Side::Agent, Component::Rtp);
        agent.drops.get(DropReason::SourceUnexpected)
    };
    let ring = |phone: &Phone, n| {
        let data = packet(n, 172);
        assert_passes(&phone.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
        assert_passes(&client.rtp, at_client.rtp, &phone.rtp, at_agent.rtp, &data);
    };

    answers(&engine, &pair, &first);
    ring(&first, 1);
    answers(&engine, &pair, &second);
    // The first one rings on, from an address that its network shares with the second one.
    for n in 1..=5 {
        first.rtp.send_to(&packet(11, 172), at_agent.rtp).unwrap();
        wait_for("the other fork's packet", || ignored() == n);
    }
    ring(&second, 2);
    assert_silent(&first.rtp);

    // The first one answers.
    answers(&engine, &pair, &first);
    for n in 6..=10 {
        second.rtp.send_to(&packet(12, 172), at_agent.rtp).unwrap();
        wait_for("the other fork's packet", || ignored() == n);
    }
    for n in 0..10 {
        ring(&first, n);
        // From here on the kernel refuses the other one.
        let _ = second.rtp.send_to(&packet(13, 172), at_agent.rtp);
    }
    assert_silent(&client.rtp);
    assert_silent(&second.rtp);
    assert_eq!(ignored(), 10);
}
