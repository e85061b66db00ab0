//! F1: what leaves without a socket of its port takes the routes that the kernel would choose:
//! neighbours, bridges, gateways, rules by source, paths that take less, both IP versions.
#![allow(clippy::unwrap_used)]

use crate::engine_support::elsewhere::{Elsewhere, configure, data, ip, open};
use crate::engine_support::*;
use patchbay_relay::engine::{Engine, EngineConfig};
use std::net::IpAddr;

/// Datagrams of all these sizes arrive as they were, both ways.
fn carries(engine: &Engine, phones: [&Phone; 2], at: [IpAddr; 2], sizes: &[usize]) {
    let pair = open(engine, phones, at);
    let [client, agent] = phones;
    let [at_client, at_agent] = pair.local;
    for size in sizes {
        let data = data(*size);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    }
    assert_eq!(engine.stats(pair.id).unwrap().drops().total(), 0);
    engine.close(pair.id);
}

const SIZES: [usize; 10] = [0, 1, 11, 172, 1232, 1233, 1452, 1472, 1500, 9000];

fn steered() -> Started {
    start(EngineConfig {
        ports: 20_000..=20_999,
        ..EngineConfig::default()
    })
}

#[test]
fn neighbours_bridges_and_both_versions() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = steered();
    let plain = there.phone(ip("10.88.0.2"));
    let bridged = there.phone(ip("10.89.0.2"));
    let six = there.phone(ip("fd88::2"));
    let [v4, v6, inner] = [ip("10.88.0.1"), ip("fd88::1"), ip("10.89.0.1")];
    carries(&engine, [&plain, &plain], [v4, v4], &SIZES[..1]);
    carries(&engine, [&plain, &bridged], [v4, inner], &SIZES);
    carries(&engine, [&six, &bridged], [v6, inner], &SIZES);
    carries(&engine, [&six, &plain], [v6, v4], &SIZES);
}

#[test]
fn gateways_rules_by_source_and_paths_that_take_less() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = steered();
    let near = there.phone(ip("10.88.0.2"));
    let far = there.phone(ip("10.99.0.2"));
    let far_six = there.phone(ip("fd99::2"));
    let [v4, v6, own] = [ip("10.88.0.1"), ip("fd88::1"), ip("10.77.0.1")];
    // Only what comes from one address of the relay has a way to the far network.
    configure(
        "rule add from 10.77.0.1 lookup 100
        route add 10.99.0.0/24 via 10.88.0.2 table 100
        -6 route add fd99::/64 via fd88::2",
    );
    carries(&engine, [&near, &far], [v4, own], &SIZES);
    carries(&engine, [&near, &far_six], [v4, v6], &SIZES);
    // The way narrows during a call: what left in one piece leaves in several.
    let pair = open(&engine, [&near, &far_six], [v4, v6]);
    let [at_near, at_far] = pair.local;
    let large = data(1400);
    assert_passes(&near.rtp, at_near.rtp, &far_six.rtp, at_far.rtp, &large);
    configure(
        "route change 10.99.0.0/24 via 10.88.0.2 mtu lock 700 table 100
        -6 route change fd99::/64 via fd88::2 mtu 1280",
    );
    assert_passes(&near.rtp, at_near.rtp, &far_six.rtp, at_far.rtp, &large);
    assert_eq!(engine.stats(pair.id).unwrap().drops().total(), 0);
    carries(&engine, [&near, &far], [v4, own], &SIZES);
    carries(&engine, [&near, &far_six], [v4, v6], &SIZES);
}
