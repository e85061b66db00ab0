//! F1: more packets at once than there are buffers wait in their sockets, and all are sent on.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::EngineConfig;
use patchbay_route::limits::BUFFERS_PER_THREAD;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Fits the smallest usual socket buffer.
const PACKETS_PER_FLOW: u16 = 150;

#[test]
fn a_burst_larger_than_the_buffers_arrives_whole_and_in_order() {
    if !alone() {
        return;
    }
    // Sender and packet thread share a core, so that the sender gets ahead.
    let allowed = sched_getaffinity(None).unwrap();
    let cpu = (0..CpuSet::MAX_CPU)
        .find(|cpu| allowed.is_set(*cpu))
        .unwrap();
    let config = EngineConfig {
        ports: 16_400..=16_799,
        cpus: vec![cpu],
        ..EngineConfig::default()
    };
    let engine = start(config);
    let flows = 2 * BUFFERS_PER_THREAD / PACKETS_PER_FLOW;
    let calls: Vec<_> = (0..flows).map(|_| call(&engine)).collect();
    for (client, agent, pair) in &calls {
        let [at_client, at_agent] = pair.local;
        let hello = packet(1, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &hello);
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).unwrap();
    for n in 0..PACKETS_PER_FLOW {
        for (client, _, pair) in &calls {
            client
                .rtp
                .send_to(&n.to_be_bytes(), pair.local[0].rtp)
                .unwrap();
        }
    }
    for (_, agent, _) in &calls {
        for n in 0..PACKETS_PER_FLOW {
            assert_eq!(receive(&agent.rtp).0, n.to_be_bytes());
        }
    }
    let totals = engine.totals();
    assert_eq!(
        (totals.forwarded(), totals.drops.total()),
        (u64::from(flows * (PACKETS_PER_FLOW + 1)), 0)
    );
}
