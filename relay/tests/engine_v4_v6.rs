//! A1, F1: one side speaks IPv4 and the other IPv6.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{CommandError, PairSpec, Side};

#[test]
fn an_ipv4_client_and_an_ipv6_agent_hear_each_other() {
    if !alone() {
        return;
    }
    let engine = engine(11_100, 11_199);
    let (client, agent) = (Phone::new(V4), Phone::new(V6));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V6)).unwrap();
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    let wrong = engine.set_remote(pair.id, Side::Agent, client.remote());
    assert!(matches!(wrong, Err(CommandError::AddressFamily { .. })));
    engine
        .set_remote(pair.id, Side::Agent, agent.remote())
        .unwrap();
    let [at_client, at_agent] = pair.local;
    for data in [&b"first"[..], b"second, to a connected socket"] {
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, data);
        assert_passes(
            &client.rtcp,
            at_client.rtcp,
            &agent.rtcp,
            at_agent.rtcp,
            data,
        );
        assert_passes(
            &agent.rtcp,
            at_agent.rtcp,
            &client.rtcp,
            at_client.rtcp,
            data,
        );
    }
    let mut everybody = client.remote();
    everybody.rtp = "239.1.2.3:4000".parse().unwrap();
    let multicast = engine.set_remote(pair.id, Side::Client, everybody);
    assert!(matches!(multicast, Err(CommandError::NotUnicast { .. })));
}
