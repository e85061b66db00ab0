//! F1: datagrams of every size up to the limit pass; a larger one is dropped by name.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, Side};
use patchbay_route::limits::MAX_DATAGRAM_BYTES;

#[test]
fn sizes_from_none_to_the_limit_pass() {
    if !alone() {
        return;
    }
    let engine = engine(11_500, 11_599);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let sizes = [
        0,
        1,
        11,
        12,
        172,
        0,
        0,
        1472,
        1500,
        9000,
        MAX_DATAGRAM_BYTES,
        1,
    ];
    let (mut sent, mut refused) = (0, 0);
    for _ in 0..2 {
        for size in sizes.into_iter().filter(|size| *size <= MAX_DATAGRAM_BYTES) {
            let data: Vec<u8> = (0..size).map(|n| 0x80 | (n % 251) as u8).collect();
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
            assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
            sent += 1;
        }
        for size in [MAX_DATAGRAM_BYTES + 1, 9217, 65_507] {
            client
                .rtp
                .send_to(&vec![0x80; size], at_client.rtp)
                .unwrap();
            refused += 1;
        }
    }
    assert_passes(
        &client.rtp,
        at_client.rtp,
        &agent.rtp,
        at_agent.rtp,
        b"goes on",
    );
    let seen = || flow(&engine, &pair, Side::Client, Component::Rtp);
    // At a device the rest overtakes them.
    wait_for("the large ones to be refused", || {
        seen().drops.get(DropReason::Oversized) == refused
    });
    let flow = seen();
    assert_eq!(
        (flow.forwarded(), flow.received),
        (sent + 1, sent + refused + 1)
    );
    assert_silent(&agent.rtp);
}
