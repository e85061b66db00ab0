//! F1, G6: who is not the party is neither heard nor sent to, before and after learning.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, PairSpec, Side};

#[test]
fn strangers_are_ignored_and_counted() {
    if !alone() {
        return;
    }
    let engine = engine(11_200, 11_299);
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let stranger = socket(ELSEWHERE);
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let [at_client, at_agent] = pair.local;
    let count = |reason| {
        flow(&engine, &pair, Side::Client, Component::Rtp)
            .drops
            .get(reason)
    };

    // Before anything is signalled, nobody is known.
    stranger.send_to(b"early", at_client.rtp).unwrap();
    wait_for("the early stranger", || {
        count(DropReason::SourceUnsignalled) == 1
    });
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    // The client is known, the agent is not.
    client.rtp.send_to(b"to nobody", at_client.rtp).unwrap();
    wait_for("the packet to nobody", || {
        count(DropReason::RemoteUnknown) == 1
    });
    engine
        .set_remote(pair.id, Side::Agent, agent.remote())
        .unwrap();

    // Before the agent's source is learned.
    stranger.send_to(b"injected", at_agent.rtp).unwrap();
    let at_agents = || flow(&engine, &pair, Side::Agent, Component::Rtp);
    wait_for("the stranger", || {
        at_agents().drops.get(DropReason::SourceUnexpected) == 1
    });
    assert!(!at_agents().learned);
    // What goes to the agent goes to its SDP's address.
    assert_passes(
        &client.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"true",
    );
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &client.rtp,
        at_client.rtp,
        b"true",
    );
    assert!(at_agents().learned);

    // After learning he is refused.
    assert_refused(&engine, &pair, Side::Agent, &stranger);
    if !AT_DEVICE {
        wait_for("the kernel's count", || engine.totals().host.no_ports >= 1);
    }
    assert_passes(
        &agent.rtp,
        at_agent.rtp,
        &client.rtp,
        at_client.rtp,
        b"still true",
    );
    assert_silent(&client.rtp);
    assert_silent(&agent.rtp);
    assert_eq!(at_agents().drops.total(), 1);
    assert_eq!(
        at_agents().last_packet_age.map(|age| age < PATIENCE),
        Some(true)
    );
}
