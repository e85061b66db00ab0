//! F1: ICMP errors, from a phone that is not there yet or no more, do not end a flow.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, PairSpec, Side};

#[test]
fn a_phone_that_is_gone_for_a_while_is_heard_again() {
    if !alone() {
        return;
    }
    let engine = engine(16_100, 16_199);
    // An address of its own, so that nobody takes the agent's port while it is free.
    let (client, agent) = (Phone::new(V4), Phone::new(SECLUDED));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    engine
        .set_remote(pair.id, Side::Agent, agent.remote())
        .unwrap();
    let [at_client, at_agent] = pair.local;
    assert_passes(
        &client.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"learn",
    );
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &client.rtp,
        at_client.rtp,
        b"learn",
    );

    let address = agent.rtp.local_addr().unwrap();
    drop(agent.rtp);
    // Each of these is answered by an ICMP message, which the relay's socket to the agent gets:
    // its next send or its receive fails by it.
    let received = || flow(&engine, &pair, Side::Client, Component::Rtp).received;
    for n in 0..50 {
        client.rtp.send_to(b"to nobody", at_client.rtp).unwrap();
        wait_for("the packet", || received() == n + 2);
    }
    let back = socket_at(address);
    assert_passes(&back, at_agent.rtp, &client.rtp, at_client.rtp, b"back");
    // One packet at most is lost to an error that was still waiting.
    client.rtp.send_to(b"probe", at_client.rtp).unwrap();
    wait_for("the probe", || received() == 52);
    client.rtp.send_to(b"heard", at_client.rtp).unwrap();
    while receive(&back).0 != b"heard" {}
    assert!(engine.health()[0].alive);
    let totals = engine.totals();
    // Steered ports have no socket that such an error could be told to.
    let errors = totals.threads[0].receive_errors + totals.drops.total();
    assert_eq!(errors > 0, !STEERED);
}
