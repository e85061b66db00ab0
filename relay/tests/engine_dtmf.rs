//! F1, B7: telephone events (RFC 4733) pass as they are: marker, updates, repeated ends.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;

/// The packets of one key as a phone sends them: the first marked, updates, and the end thrice
/// under one timestamp.
fn key(event: u8, payload_type: u8, sequence: &mut u16, timestamp: u32) -> Vec<Vec<u8>> {
    let durations = [160_u16, 320, 480, 640, 640, 640];
    let packets = durations.iter().enumerate().map(|(n, duration)| {
        *sequence = sequence.wrapping_add(1);
        let marker = if n == 0 { 0x80 } else { 0 };
        let end = if n >= 3 { 0x80 } else { 0 };
        let mut bytes = vec![0x80, marker | payload_type];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(0x1234_5678_u32.to_be_bytes());
        bytes.extend([event, end | 10]);
        bytes.extend(duration.to_be_bytes());
        bytes
    });
    packets.collect()
}

#[test]
fn every_event_packet_arrives_unchanged_and_in_order_among_the_audio() {
    if !alone() {
        return;
    }
    let engine = engine(18_200, 18_299);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let mut sequence = 65_500;
    for payload_type in [96, 101, 127] {
        for event in 0..16 {
            let timestamp = u32::from(event) * 1000;
            for data in key(event, payload_type, &mut sequence, timestamp) {
                assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
                assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
            }
            let audio = packet(event, 172);
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &audio);
        }
    }
    let drops = engine.stats(pair.id).unwrap().drops();
    assert_eq!(drops.total(), 0);
}
