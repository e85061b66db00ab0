//! F7: what is sent on at the device leaves marked like what the sockets send.
#![allow(clippy::unwrap_used)]

use crate::engine_at_device::Call;
use crate::engine_marks::{ask, mark, passes};
use crate::engine_support::elsewhere::Elsewhere;
use crate::engine_support::*;
use patchbay_relay::engine::EngineConfig;
use patchbay_relay::engine::xdp::Fate;

const CALLS: [[[&str; 2]; 2]; 3] = [
    [["10.88.0.1", "10.88.0.1"], ["10.88.0.2", "10.88.0.2"]],
    [["fd88::1", "fd88::1"], ["fd88::2", "fd88::2"]],
    [["10.88.0.1", "fd88::1"], ["10.88.0.2", "fd88::2"]],
];

#[test]
fn marks_are_the_same_at_the_device_and_beside_it() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    for dscp in [Some(46), None] {
        let engine = start(EngineConfig {
            ports: 20_000..=20_999,
            devices: vec!["here".to_owned()],
            dscp,
            ..EngineConfig::default()
        });
        for [at, phones] in CALLS {
            let call = Call::between(&engine, &there, at, phones);
            let [at_client, at_agent] = call.pair.local;
            ask(&call.client.rtp);
            ask(&call.agent.rtp);
            let before = fate(&engine, Fate::SentOn);
            for own in [0, 34, 46, 10, 34, 0, 18, 34] {
                mark(&call.client.rtp, own);
                // The larger ones come in fragments, which the sockets have.
                for len in [172, 2000] {
                    let mut data = audio(1);
                    data.resize(len, 7);
                    let got = passes(&call.client.rtp, at_client.rtp, &call.agent.rtp, &data);
                    assert_eq!(got, dscp.unwrap_or(own), "{at:?} {len}");
                }
                let got = passes(&call.agent.rtp, at_agent.rtp, &call.client.rtp, &audio(1));
                assert_eq!(got, dscp.unwrap_or(0), "{at:?}");
            }
            assert!(fate(&engine, Fate::SentOn) >= before + 10);
        }
        engine.shutdown();
    }
}
