//! F1, G6: a flood at one port, from a stranger or from the call's own party, harms no other call.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::xdp::Fate;
use patchbay_relay::engine::{Component, DropReason, Engine, FlowStats, OpenPair, Side};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

const FLOOD: u32 = 50_000;
const BURST: u32 = 500;

/// Sends the flood as fast as it goes, in bursts, each byte of RTP.
fn flood(socket: &UdpSocket, to: SocketAddr) {
    let data = packet(66, 172);
    for _ in 0..FLOOD / BURST {
        for _ in 0..BURST {
            // The kernel may refuse it in the meantime, and tells so once in a while.
            let _ = socket.send_to(&data, to);
        }
        std::thread::yield_now();
    }
}

/// A conversation in which each packet is sent when the one before has come: all of them arrive,
/// in order, for as long as the flood lasts and some time beyond.
fn converse(calls: &[(Phone, Phone, OpenPair)], flooding: &AtomicBool) -> u32 {
    let mut sequence = 0_u32;
    let mut beyond = 0;
    while beyond < 50 {
        beyond += u32::from(!flooding.load(SeqCst));
        sequence += 1;
        let mut data = packet(1, 172);
        data[4..8].copy_from_slice(&sequence.to_be_bytes());
        for (client, agent, pair) in calls {
            let [at_client, at_agent] = pair.local;
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
            assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
        }
    }
    sequence
}

/// Says that the flood is over, also when it was waited for in vain.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

/// How often a port took in too much, so that the rest of the flood stayed outside.
fn floods(engine: &Engine) -> u64 {
    let threads: u64 = engine.totals().threads.iter().map(|t| t.floods).sum();
    threads + fate(engine, Fate::DropFlood) + fate(engine, Fate::DropSourceLimited)
}

/// Floods a port while other calls talk, until so many packets sent are enough; what the flooded
/// flow counted in the end, and how many were sent.
fn flooded(
    engine: &Engine,
    socket: &UdpSocket,
    pair: &OpenPair,
    enough: impl Fn(u64) -> bool + Sync,
) -> (FlowStats, u64) {
    let others: Vec<_> = (0..4).map(|_| call(engine)).collect();
    let flooding = AtomicBool::new(true);
    let sent = AtomicU64::new(0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let _over = Over(&flooding);
            wait_for("the flood to be enough", || {
                flood(socket, pair.local[0].rtp);
                enough(sent.fetch_add(FLOOD.into(), SeqCst) + u64::from(FLOOD))
            });
        });
        let exchanged = converse(&others, &flooding);
        for (_, _, other) in &others {
            let stats = engine.stats(other.id).unwrap();
            assert_eq!(stats.forwarded(), 2 * u64::from(exchanged));
            assert_eq!(stats.drops().total(), 0);
        }
    });
    assert!(engine.health().iter().all(|thread| thread.alive));
    let seen = flow(engine, pair, Side::Client, Component::Rtp);
    (seen, sent.load(SeqCst))
}

#[test]
fn a_strangers_flood_is_counted_limited_and_reaches_nobody() {
    if !alone() {
        return;
    }
    let engine = engine(18_800, 18_899);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let stranger = socket(ELSEWHERE);
    let (seen, _) = flooded(&engine, &stranger, &pair, |_| floods(&engine) > 0);
    assert_eq!(
        (seen.forwarded(), seen.accepted, seen.learned),
        (0, 0, false)
    );
    assert!(seen.drops.get(DropReason::SourceUnexpected) > 0);
    // The port takes in little at a time, so that it takes a while to use up the source's tokens.
    wait_for("the source to be limited", || {
        flood(&stranger, at_client.rtp);
        let seen = flow(&engine, &pair, Side::Client, Component::Rtp);
        seen.drops.get(DropReason::SourceRateLimited) > 0
    });
    assert_silent(&agent.rtp);
    assert_silent(&stranger);
    // The flooded call itself goes on.
    for n in 0..5 {
        let data = packet(n, 172);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    }
    wait_for("the party to come through", || {
        client.rtp.send_to(&packet(7, 172), at_client.rtp).unwrap();
        flow(&engine, &pair, Side::Client, Component::Rtp).learned
    });
    assert_eq!(receive(&agent.rtp).0, packet(7, 172));
    // From here on the kernel refuses the stranger: nothing is counted that costs the engine.
    let before = flow(&engine, &pair, Side::Client, Component::Rtp).drops;
    flood(&stranger, at_client.rtp);
    let after = flow(&engine, &pair, Side::Client, Component::Rtp).drops;
    assert_eq!(before, after);
}

#[test]
fn a_flood_of_a_party_itself_harms_no_other_call() {
    if !alone() {
        return;
    }
    let engine = engine(18_900, 18_999);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let hello = packet(3, 172);
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &hello);
    // At a device packets are sent on where they come in: whether that is ever more than a flow may
    // send depends on how fast the machine is.
    let (seen, sent) = flooded(&engine, &client.rtp, &pair, |sent| {
        floods(&engine) > 0 || (AT_DEVICE && sent >= 150_000)
    });
    // What was not lost in the kernel's queue was sent on, or is counted.
    assert!(seen.received > 1 && seen.received <= sent + 1);
    assert_eq!(seen.forwarded() + seen.drops.total(), seen.received);
    while receive(&agent.rtp).0 == hello {}
    assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &hello);
}
