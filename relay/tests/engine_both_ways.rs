//! F1: RTP and RTCP pass both ways, and the counters say so.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Side};

#[test]
fn media_and_reports_pass_both_ways_and_are_counted() {
    if !alone() {
        return;
    }
    let engine = engine(11_000, 11_099);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    assert_eq!(at_client.rtp.port() % 2, 0);
    assert_eq!(at_client.rtcp.port(), at_client.rtp.port() + 1);
    for n in 0..20_u8 {
        assert_passes(
            &client.rtp,
            at_client.rtp,
            &agent.rtp,
            at_agent.rtp,
            &packet(n, 172),
        );
        assert_passes(
            &agent.rtp,
            at_agent.rtp,
            &client.rtp,
            at_client.rtp,
            &packet(n, 100),
        );
    }
    assert_passes(
        &client.rtcp,
        at_client.rtcp,
        &agent.rtcp,
        at_agent.rtcp,
        b"report",
    );
    assert_passes(
        &agent.rtcp,
        at_agent.rtcp,
        &client.rtcp,
        at_client.rtcp,
        b"receiver report",
    );

    let stats = engine.stats(pair.id).unwrap();
    for (side, component, packets, bytes) in [
        (Side::Client, Component::Rtp, 20, 20 * 172),
        (Side::Agent, Component::Rtp, 20, 20 * 100),
        (Side::Client, Component::Rtcp, 1, 6),
        (Side::Agent, Component::Rtcp, 1, 15),
    ] {
        let flow = stats.of(side, component);
        assert_eq!(
            (flow.received, flow.accepted, flow.forwarded()),
            (packets, packets, packets)
        );
        assert_eq!((flow.bytes, flow.drops.total()), (bytes, 0));
        assert!(flow.learned);
        assert!(flow.last_packet_age.unwrap() < PATIENCE);
    }
    let totals = engine.totals();
    assert_eq!((totals.received, totals.forwarded()), (42, 42));
    assert_eq!(totals.bytes, 20 * 172 + 20 * 100 + 21);
    assert_eq!(
        (
            totals.pairs_open,
            totals.threads[0].pairs,
            totals.threads[0].learned
        ),
        (1, 1, 4)
    );
    // The first row is one of those that are sampled.
    assert!(!totals.forwarding_time.is_empty());
}
