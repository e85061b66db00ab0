//! F1, F5: a thousand pairs on two threads, all of them carrying packets.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::EngineConfig;

#[test]
fn a_thousand_pairs_carry_packets_and_go() {
    if !alone() {
        return;
    }
    let config = EngineConfig {
        threads: 2,
        ports: 12_000..=15_999,
        ..EngineConfig::default()
    };
    let engine = start(config);
    let calls: Vec<_> = (0..1000).map(|_| call(&engine)).collect();
    let totals = engine.totals();
    assert_eq!((totals.pairs_open, totals.ports_free), (1000, 0));
    for round in 0..3_u8 {
        for (client, _, pair) in &calls {
            client
                .rtp
                .send_to(&packet(round, 172), pair.local[0].rtp)
                .unwrap();
        }
        for (client, agent, pair) in &calls {
            let (data, from) = receive(&agent.rtp);
            assert_eq!((data, from), (packet(round, 172), pair.local[1].rtp));
            agent
                .rtp
                .send_to(&packet(round, 80), pair.local[1].rtp)
                .unwrap();
            let (data, from) = receive(&client.rtp);
            assert_eq!((data, from), (packet(round, 80), pair.local[0].rtp));
        }
    }
    let totals = engine.totals();
    assert_eq!((totals.received, totals.forwarded()), (6000, 6000));
    // Threads are chosen by load: half of the pairs each.
    assert_eq!(
        totals.threads.iter().map(|t| t.pairs).collect::<Vec<_>>(),
        [500, 500]
    );
    for (_, _, pair) in &calls {
        assert_eq!(engine.stats(pair.id).unwrap().forwarded(), 6);
        engine.close(pair.id);
    }
    wait_for("the ports to come back", || {
        engine.totals().ports_free == 2000
    });
}
