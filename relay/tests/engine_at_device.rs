//! F7: settled flows are sent on at the device, and come back to the sockets the moment that a
//! re-INVITE, hold or learning needs it: nothing is lost, and the counters show no seam.
#![allow(clippy::unwrap_used)]

use crate::engine_support::elsewhere::{Elsewhere, configure, data, ip, open};
use crate::engine_support::*;
use patchbay_relay::engine::xdp::Fate;
use patchbay_relay::engine::{Component, Engine, EngineConfig, EngineKind, OpenPair, Side};
use socket2::SockRef;

pub fn at_device() -> Started {
    start(EngineConfig {
        ports: 20_000..=20_999,
        kind: EngineKind::Xdp,
        devices: vec!["here".to_owned()],
        ..EngineConfig::default()
    })
}

/// Packets that the packet threads read themselves.
fn read_here(engine: &Engine) -> u64 {
    engine.totals().threads.iter().map(|t| t.received).sum()
}

pub struct Call {
    pub client: Phone,
    pub agent: Phone,
    pub pair: OpenPair,
}

impl Call {
    pub fn between(engine: &Engine, there: &Elsewhere, at: [&str; 2], phones: [&str; 2]) -> Call {
        let [client, agent] = phones.map(|phone| there.phone(ip(phone)));
        let pair = open(engine, [&client, &agent], at.map(ip));
        Call {
            client,
            agent,
            pair,
        }
    }

    /// One packet each way.
    pub fn talk(&self, data: &[u8]) {
        let [at_client, at_agent] = self.pair.local;
        assert_passes(
            &self.client.rtp,
            at_client.rtp,
            &self.agent.rtp,
            at_agent.rtp,
            data,
        );
        assert_passes(
            &self.agent.rtp,
            at_agent.rtp,
            &self.client.rtp,
            at_client.rtp,
            data,
        );
    }
}

pub const V4_CALL: [[&str; 2]; 2] = [["10.88.0.1", "10.88.0.1"], ["10.88.0.2", "10.88.0.2"]];
const MIXED_CALL: [[&str; 2]; 2] = [["10.88.0.1", "fd88::1"], ["10.88.0.2", "fd88::2"]];

#[test]
fn a_settled_call_passes_without_its_packet_thread() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = at_device();
    for [at, phones] in [V4_CALL, MIXED_CALL] {
        let call = Call::between(&engine, &there, at, phones);
        let (sent, read) = (fate(&engine, Fate::SentOn), read_here(&engine));
        for n in 0..100 {
            call.talk(&packet(n, 172));
        }
        let (by_device, by_thread) = (
            fate(&engine, Fate::SentOn) - sent,
            read_here(&engine) - read,
        );
        // Learning takes the first packet of each side, and each new next hop takes one.
        assert_eq!(by_device + by_thread, 200);
        assert!(by_device >= 190, "{by_device} at the device");
        let stats = engine.stats(call.pair.id).unwrap();
        assert_eq!((stats.forwarded(), stats.drops().total()), (200, 0));
        assert_eq!(stats.of(Side::Client, Component::Rtp).bytes, 100 * 172);
        assert!(stats.last_packet_age().unwrap() < PATIENCE);
        engine.close(call.pair.id);
    }
    wait_for("the pairs to go", || engine.totals().pairs_open == 0);
    let totals = engine.totals();
    assert_eq!((totals.received, totals.accepted), (400, 400));
    assert_eq!(totals.bytes, 400 * 172);
    assert_eq!(totals.device.unwrap().refused, 0);
}

#[test]
fn hold_and_move_take_a_flow_back_and_settle_it_again() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = at_device();
    let [at, phones] = V4_CALL;
    let mut call = Call::between(&engine, &there, at, phones);
    (0..20).for_each(|n| call.talk(&packet(n, 172)));
    let [at_client, at_agent] = call.pair.local;

    // The agent wants no media: the client's stays away, and its own still passes.
    let mut held = call.agent.remote();
    held.receives = false;
    let tell = |remote| {
        engine
            .set_remote(call.pair.id, Side::Agent, remote)
            .unwrap();
        let told = || engine.health()[0].waiting == 0;
        wait_for("the packet thread to know of it", told);
    };
    tell(held);
    wait_for("the hold to hold", || {
        call.client
            .rtp
            .send_to(&packet(1, 172), at_client.rtp)
            .unwrap();
        let drops = flow(&engine, &call.pair, Side::Client, Component::Rtp).drops;
        drops.total() > 2
    });
    while call.agent.rtp.set_nonblocking(true).is_ok() && call.agent.rtp.recv(&mut [0; 512]).is_ok()
    {
    }
    call.agent.rtp.set_nonblocking(false).unwrap();
    for n in 0..20 {
        let data = packet(n, 172);
        assert_passes(
            &call.agent.rtp,
            at_agent.rtp,
            &call.client.rtp,
            at_client.rtp,
            &data,
        );
    }
    assert_silent(&call.agent.rtp);
    tell(call.agent.remote());
    (0..20).for_each(|n| call.talk(&packet(n, 172)));

    // The agent moves to another phone, and what it sent from the old one is no longer heard.
    let old = std::mem::replace(&mut call.agent, there.phone(ip("10.88.0.2")));
    let sent = fate(&engine, Fate::SentOn);
    engine
        .set_remote(call.pair.id, Side::Agent, call.agent.remote())
        .unwrap();
    wait_for("the packet thread to know of it", || {
        engine.health()[0].waiting == 0
    });
    (0..20).for_each(|n| call.talk(&packet(n, 172)));
    assert!(fate(&engine, Fate::SentOn) > sent + 30);
    let strangers = || flow(&engine, &call.pair, Side::Agent, Component::Rtp).strangers;
    let before = strangers();
    old.rtp.send_to(&packet(9, 172), at_agent.rtp).unwrap();
    wait_for("the old phone to be refused", || strangers() > before);
    assert_silent(&call.client.rtp);
    assert_silent(&old.rtp);
}

#[test]
fn what_the_device_leaves_to_the_sockets_arrives_like_the_rest() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = at_device();
    let [at, phones] = MIXED_CALL;
    let call = Call::between(&engine, &there, at, phones);
    (0..20).for_each(|n| call.talk(&packet(n, 172)));
    // Larger than the device's packets: fragments come, and fragments leave.
    for size in [1500, 3000, 9000, 172] {
        call.talk(&data(size));
    }
    assert!(fate(&engine, Fate::UpFragment) > 0);
    // A path that takes less than the wire: what is larger leaves in fragments.
    configure(
        "address add 10.88.0.3/32 dev lo
        route add 10.99.0.2 via 10.88.0.2 mtu lock 600",
    );
    let far = there.phone(ip("10.99.0.2"));
    let at = [ip("10.88.0.1"), ip("10.88.0.3")];
    let narrow = Call {
        pair: open(&engine, [&far, &call.client], at),
        client: far,
        agent: there.phone(ip("10.88.0.2")),
    };
    engine
        .set_remote(narrow.pair.id, Side::Agent, narrow.agent.remote())
        .unwrap();
    (0..20).for_each(|n| narrow.talk(&packet(n, 172)));
    for size in [600, 1200, 172] {
        narrow.talk(&data(size));
    }
    assert!(fate(&engine, Fate::UpTooBig) >= 2);
    // A call to an address that is not on the device: the way out is another one.
    let [near, bridged] = ["10.88.0.2", "10.89.0.2"].map(|phone| there.phone(ip(phone)));
    let pair = open(
        &engine,
        [&near, &bridged],
        [ip("10.88.0.1"), ip("10.89.0.1")],
    );
    let other = Call {
        client: near,
        agent: bridged,
        pair,
    };
    (0..50).for_each(|n| other.talk(&packet(n, 172)));
    let stats = engine.stats(other.pair.id).unwrap();
    assert_eq!((stats.forwarded(), stats.drops().total()), (100, 0));
}

#[test]
fn a_path_that_turns_out_to_take_less_is_learned() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = at_device();
    // The phone is as if behind a wire of 600 bytes, where nobody is; it only sends.
    configure("route add 10.66.0.0/24 via 10.88.0.2");
    let phones = [there.phone(ip("10.66.0.9")), there.phone(ip("10.88.0.2"))];
    let [behind, near] = &phones;
    // It has not got the address that it sends from.
    SockRef::from(&behind.rtp)
        .set_ip_transparent_v4(true)
        .unwrap();
    let pair = open(&engine, [behind, near], ["10.88.0.1"; 2].map(ip));
    let at = pair.local.map(|local| local.rtp);
    let sent = || fate(&engine, Fate::SentOn);
    wait_for("the call to be settled", || {
        assert_passes(&behind.rtp, at[0], &near.rtp, at[1], &packet(1, 172));
        near.rtp.send_to(&packet(2, 172), at[1]).unwrap();
        sent() > 20
    });
    // The device sends it on whole, until the router before that wire has said what it takes.
    wait_for("packets that are too big to be left to the sockets", || {
        near.rtp.send_to(&data(1000), at[1]).unwrap();
        fate(&engine, Fate::UpTooBig) > 0
    });
    let before = sent();
    wait_for("small ones to be sent on all the same", || {
        near.rtp.send_to(&packet(2, 172), at[1]).unwrap();
        sent() > before + 10
    });
}
