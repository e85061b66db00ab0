//! F1: ports without sockets: who gets what, what it costs, and what happens without privilege.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{
    Component, Engine, EngineConfig, EngineError, MAX_STEERED_IPS, MediaPath, MediaSockets,
    OpenError, OpenPair, PairSpec, Side,
};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};

fn config(sockets: MediaSockets) -> EngineConfig {
    EngineConfig {
        ports: 20_000..=20_999,
        sockets,
        ..EngineConfig::default()
    }
}

/// An engine with a call whose client has been heard.
fn talking() -> (Started, Phone, Phone, OpenPair) {
    let engine = start(config(MediaSockets::Steered));
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let hello = packet(1, 172);
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &hello);
    (engine, client, agent, pair)
}

/// UDP sockets of this network namespace.
fn sockets() -> usize {
    let count = |path| std::fs::read_to_string(path).unwrap().lines().count() - 1;
    count("/proc/thread-self/net/udp") + count("/proc/thread-self/net/udp6")
}

#[test]
fn calls_cost_no_sockets_and_every_one_of_them_carries_media() {
    if !alone() {
        return;
    }
    let engine = start(config(MediaSockets::Steered));
    assert_eq!(engine.media_path(), &MediaPath::Steered { why: None });
    let before = sockets();
    let pairs: Vec<_> = (0..200)
        .map(|_| engine.open(PairSpec::new(HERE_V4, HERE_V6)).unwrap())
        .collect();
    assert_eq!(sockets(), before);
    let (client, agent) = (Phone::new(V4), Phone::new(V6));
    for pair in &pairs {
        let [at_client, at_agent] = pair.local;
        for (side, remote) in [
            (Side::Client, client.remote()),
            (Side::Agent, agent.remote()),
        ] {
            engine.set_remote(pair.id, side, remote).unwrap();
        }
        wait_for("the packet thread to know of it", || {
            engine.health()[0].waiting == 0
        });
        let data = packet(7, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    }
    assert_eq!(engine.totals().drops.total(), 0);
}

#[test]
fn a_closed_port_is_nobodys_and_strangers_at_a_learned_one_are_refused_and_counted() {
    if !alone() {
        return;
    }
    let (engine, _client, agent, pair) = talking();
    let [at_client, at_agent] = pair.local;
    let hello = packet(1, 172);
    let refused_with = |to| {
        let stranger = socket(ELSEWHERE);
        stranger.connect(to).unwrap();
        stranger.send(&hello).unwrap();
        stranger.recv(&mut [0; 16]).unwrap_err().kind()
    };
    assert_eq!(refused_with(at_client.rtp), ErrorKind::ConnectionRefused);
    let seen = flow(&engine, &pair, Side::Client, Component::Rtp);
    assert_eq!((seen.strangers, seen.received), (1, 1));
    assert_eq!(engine.totals().threads[0].strangers, 1);
    engine.close(pair.id);
    wait_for("the ports", || engine.totals().pairs_open == 0);
    assert_eq!(refused_with(at_client.rtp), ErrorKind::ConnectionRefused);
    assert_eq!(refused_with(at_agent.rtcp), ErrorKind::ConnectionRefused);
    assert_silent(&agent.rtp);
}

#[test]
fn sockets_of_others_keep_what_is_theirs() {
    if !alone() {
        return;
    }
    let (engine, client, agent, pair) = talking();
    let [at_client, at_agent] = pair.local;
    let hello = packet(1, 172);
    // Somebody is given the very port by the kernel, for which it is free, and asks a server.
    let other = UdpSocket::bind(at_client.rtp).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = socket(ELSEWHERE);
    server.send_to(b"answer", at_client.rtp).unwrap();
    assert_eq!(receive(&other).0, b"answer");
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &hello);
    assert_silent(&other);
    // A port that somebody has is not given to a call.
    let taken = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap().local[1]
        .rtp
        .port()
        + 2;
    let _held = UdpSocket::bind((HERE_V4, taken)).unwrap();
    let next = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    assert!(next.local.iter().all(|local| local.rtp.port() != taken));
}

/// More than are told by binds.
const MANY: u16 = 100;

#[test]
fn a_port_that_somebody_has_is_not_given_to_a_call_where_many_come() {
    if !alone() {
        return;
    }
    let engine = start(config(MediaSockets::Steered));
    let open = || engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap().local;
    let first = open()[0].rtp.port();
    // Late in their turn; of one only the port for RTCP is held.
    let [whole, half] = [first + 2 * MANY, first + 3 * MANY];
    let _held = [whole, half + 1].map(|port| UdpSocket::bind((HERE_V4, port)).unwrap());
    let given: Vec<u16> = (0..MANY)
        .flat_map(|_| open().map(|local| local.rtp.port()))
        .collect();
    assert!(given.contains(&(whole + 2)) && given.contains(&(half - 2)));
    assert!(!given.contains(&whole) && !given.contains(&half));
}

#[test]
fn two_relays_with_the_same_ports_do_not_steer_both() {
    if !alone() {
        return;
    }
    let first = start(config(MediaSockets::Steered));
    let error = Engine::start(config(MediaSockets::Steered)).unwrap_err();
    assert!(error.to_string().contains("another relay"), "{error}");
    assert!(matches!(error, EngineError::NotSteered(_)));
    let second = Engine::start(config(MediaSockets::Auto)).unwrap();
    assert!(second.media_path().to_string().contains("another relay"));
    drop(second);
    drop(first);
    let third = Engine::start(config(MediaSockets::Auto)).unwrap();
    assert_eq!(third.media_path(), &MediaPath::Steered { why: None });
}

#[test]
fn more_local_addresses_than_are_steered_are_refused_by_name() {
    if !alone() {
        return;
    }
    let engine = start(config(MediaSockets::Steered));
    for n in 1..=MAX_STEERED_IPS as u8 {
        let ip = IpAddr::from([127, 0, 0, n]);
        engine.open(PairSpec::new(ip, ip)).unwrap();
    }
    let free = engine.totals().ports_free;
    let ip = IpAddr::from([127, 0, 1, 1]);
    let refused = engine.open(PairSpec::new(HERE_V4, ip)).unwrap_err();
    assert!(matches!(refused, OpenError::NotSteered { local_ip, .. } if local_ip == ip));
    assert_eq!(engine.totals().ports_free, free);
}

#[test]
fn without_privilege_each_port_has_a_socket_or_the_reason_is_told() {
    if !alone() {
        return;
    }
    let mut sets = capabilities(None).unwrap();
    sets.effective = CapabilitySet::empty();
    set_capabilities(None, sets).unwrap();
    let error = Engine::start(config(MediaSockets::Steered)).unwrap_err();
    assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
    let engine = Engine::start(config(MediaSockets::Auto)).unwrap();
    let told = engine.media_path().to_string();
    assert!(told.contains("a socket for each port, because") && told.contains("CAP_NET_RAW"));
    let before = sockets();
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    assert_eq!(
        sockets(),
        before + 8,
        "four of the pair, four of the phones"
    );
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, b"hi");
}

#[test]
fn three_capabilities_are_enough() {
    if !alone() {
        return;
    }
    let few = CapabilitySet::BPF | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    let mut sets = capabilities(None).unwrap();
    (sets.effective, sets.permitted) = (few, few);
    sets.inheritable = CapabilitySet::empty();
    set_capabilities(None, sets).unwrap();
    let engine = start(config(MediaSockets::Steered));
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, b"hi");
}
