//! F1, B7: RTCP where each side wants it: the next port, another port or host by `a=rtcp`
//! (RFC 3605), or the RTP port (RFC 5761).
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Engine, OpenPair, PairSpec, Side};
use std::net::UdpSocket;

const REPORT: [u8; 8] = [0x80, 200, 0, 1, 9, 9, 9, 9];
const GOODBYE: [u8; 8] = [0x81, 203, 0, 1, 9, 9, 9, 9];

/// A pair whose sides receive reports on those sockets.
fn pair(engine: &Engine, phones: [&Phone; 2], reports: [&UdpSocket; 2]) -> OpenPair {
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    for (side, (phone, rtcp)) in Side::ALL.into_iter().zip(phones.into_iter().zip(reports)) {
        let mut remote = phone.remote();
        remote.rtcp = rtcp.local_addr().unwrap();
        engine.set_remote(pair.id, side, remote).unwrap();
    }
    pair
}

fn assert_both_ways(pair: &OpenPair, phones: [&Phone; 2], reports: [&UdpSocket; 2]) {
    let [client, agent] = phones;
    let [at_client, at_agent] = pair.local;
    for n in 0..3 {
        let data = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
        for report in [REPORT, GOODBYE] {
            let [to_client, to_agent] = reports;
            let (here, there) = (at_client.rtcp, at_agent.rtcp);
            assert_passes(to_client, here, to_agent, there, &report);
            assert_passes(to_agent, there, to_client, here, &report);
        }
    }
}

#[test]
fn on_the_next_port_and_on_another_port_of_another_host() {
    if !alone() {
        return;
    }
    let engine = engine(18_000, 18_099);
    let [client, agent] = [Phone::new(V4), Phone::new(V4)];
    let phones = [&client, &agent];
    let next = [&client.rtcp, &agent.rtcp];
    assert_both_ways(&pair(&engine, phones, next), phones, next);
    // A monitor elsewhere gets the client's reports; the agent has another port for them.
    let (monitor, other_port) = (socket(ELSEWHERE), socket(V4));
    let named = [&monitor, &other_port];
    assert_both_ways(&pair(&engine, phones, named), phones, named);
    for unused in next {
        assert_silent(unused);
    }
}

#[test]
fn reports_of_both_sides_share_the_port_of_the_media() {
    if !alone() {
        return;
    }
    let engine = engine(18_100, 18_199);
    let [client, agent] = [Phone::new(V4), Phone::new(V4)];
    let pair = pair(&engine, [&client, &agent], [&client.rtp, &agent.rtp]);
    let [at_client, at_agent] = pair.local;
    for data in [&packet(3, 172)[..], &REPORT, &GOODBYE] {
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, data);
    }
    assert_silent(&client.rtcp);
    assert_silent(&agent.rtcp);
}
