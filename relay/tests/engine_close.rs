//! F1: a closed pair forwards nothing, and gives back its ports and its row.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{CommandError, OpenError, PairSpec, Side};

#[test]
fn closing_ends_forwarding_and_returns_everything() {
    if !alone() {
        return;
    }
    // Four port pairs: two calls.
    let engine = engine(11_600, 11_607);
    let mut seen = Vec::new();
    for _ in 0..50 {
        let (client, agent, first) = call(&engine);
        let (_, _, second) = call(&engine);
        assert!(matches!(
            engine.open(PairSpec::new(HERE_V4, HERE_V4)),
            Err(OpenError::PortsExhausted { .. })
        ));
        let [at_client, at_agent] = first.local;
        for data in [b"open", b"yes!"] {
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, data);
        }
        for pair in [&first, &second, &first] {
            engine.close(pair.id);
        }
        assert_eq!(engine.stats(first.id), None);
        assert_eq!(
            engine.set_remote(first.id, Side::Client, client.remote()),
            Err(CommandError::UnknownPair)
        );
        wait_for("the ports to come back", || engine.totals().ports_free == 4);
        assert_eq!(engine.totals().pairs_open, 0);
        assert!(!seen.contains(&first.id));
        seen.push(first.id);
        // The sockets are really gone: anybody can have the ports.
        for pair in [first, second] {
            for local in pair.local {
                drop((
                    std::net::UdpSocket::bind(local.rtp).unwrap(),
                    std::net::UdpSocket::bind(local.rtcp).unwrap(),
                ));
            }
        }
        client.rtp.send_to(b"closed", at_client.rtp).unwrap();
        assert_silent(&agent.rtp);
    }
    let totals = engine.totals();
    assert_eq!(totals.forwarded(), 100);
    assert_eq!(totals.threads[0].pairs, 0);
    engine.shutdown();
    assert!(matches!(
        engine.open(PairSpec::new(HERE_V4, HERE_V4)),
        Err(OpenError::NotRunning)
    ));
    engine.shutdown();
}
