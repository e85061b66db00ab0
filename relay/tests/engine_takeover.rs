//! G6: what a stranger sent while a source was being learned is in the socket's queue with the
//! party's own packets, and passes neither then nor when the socket is listened to without names.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, Side};

const CALLS: usize = 50;
/// With a quick engine few strangers are in time: further calls, until one was. The ports suffice for them.
const MOST_CALLS: usize = 100;
const INTRUSIONS: u64 = 6;

#[test]
fn strangers_between_the_partys_first_packets_do_not_pass() {
    if !alone() {
        return;
    }
    let engine = engine(10_400, 10_799);
    let stranger = socket(ELSEWHERE);
    let mut intruded = 0;
    for number in 0..MOST_CALLS {
        if number >= CALLS && intruded > 0 {
            break;
        }
        let (client, agent, pair) = call(&engine);
        let to = pair.local[0].rtp;
        // As fast as can be, so that they share the socket's queue.
        for n in 0..INTRUSIONS as u8 {
            client.rtp.send_to(&packet(n, 172), to).unwrap();
            let _ = stranger.send_to(&packet(99, 172), to);
        }
        let mut came: Vec<u8> = (0..INTRUSIONS).map(|_| receive(&agent.rtp).0[2]).collect();
        if AT_DEVICE {
            // What comes when the flow has settled overtakes what waits in the socket's queue.
            came.sort_unstable();
        }
        assert!(came.into_iter().eq(0..INTRUSIONS as u8));
        // The last of them was behind all of the stranger's but one.
        client.rtp.send_to(&packet(100, 172), to).unwrap();
        assert_eq!(receive(&agent.rtp).0, packet(100, 172));
        assert_silent(&agent.rtp);
        let seen = flow(&engine, &pair, Side::Client, Component::Rtp);
        assert_eq!(seen.forwarded(), INTRUSIONS + 1);
        let refused = seen.drops.get(DropReason::SourceUnexpected);
        assert_eq!(refused, seen.drops.total());
        assert!(refused <= INTRUSIONS);
        intruded += refused;
    }
    assert!(intruded > 0, "no intrusion reached the engine");
}
