//! F7: media leaves marked for the network's queues, or marked as it came.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Engine, EngineConfig, OpenPair, PairSpec, Side};
use socket2::{MaybeUninitSlice, MsgHdrMut, SockRef};

/// Of the headers that control data begin with: length, level, type.
const HEAD: usize = size_of::<usize>() + 8;

/// Has a socket say how what it receives is marked.
pub fn ask(socket: &UdpSocket) {
    match socket.local_addr().unwrap() {
        SocketAddr::V4(_) => SockRef::from(socket).set_recv_tos_v4(true),
        SocketAddr::V6(_) => SockRef::from(socket).set_recv_tclass_v6(true),
    }
    .unwrap();
}

/// Has what a socket sends leave with that DSCP.
pub fn mark(socket: &UdpSocket, dscp: u8) {
    let field = u32::from(dscp) << 2;
    match socket.local_addr().unwrap() {
        SocketAddr::V4(_) => SockRef::from(socket).set_tos_v4(field),
        SocketAddr::V6(_) => SockRef::from(socket).set_tclass_v6(field),
    }
    .unwrap();
}

/// Sends a packet and gives the DSCP that it arrives with.
pub fn passes(from: &UdpSocket, to: SocketAddr, at: &UdpSocket, data: &[u8]) -> u8 {
    from.send_to(data, to).unwrap();
    let (mut buffer, mut control) = ([MaybeUninit::uninit(); 4096], [MaybeUninit::uninit(); 64]);
    let mut parts = [MaybeUninitSlice::new(&mut buffer)];
    let (len, said) = {
        let mut message = MsgHdrMut::new()
            .with_buffers(&mut parts)
            .with_control(&mut control);
        let len = SockRef::from(at).recvmsg(&mut message, 0).unwrap();
        (len, message.control_len())
    };
    assert_eq!(len, data.len());
    assert!(said > HEAD, "it is said how it is marked");
    // SAFETY: the kernel has written that many bytes of control data.
    let class = unsafe { control[HEAD].assume_init() };
    assert_eq!(class & 3, 0, "no congestion");
    class >> 2
}

fn ring(engine: &Engine, phones: [&Phone; 2]) -> OpenPair {
    let [client, agent] = phones.map(|phone| phone.rtp.local_addr().unwrap().ip());
    let pair = engine.open(PairSpec::new(client, agent)).unwrap();
    for (side, phone) in Side::ALL.into_iter().zip(phones) {
        engine.set_remote(pair.id, side, phone.remote()).unwrap();
        for socket in [&phone.rtp, &phone.rtcp] {
            ask(socket);
        }
    }
    wait_for("it to be known", || engine.health()[0].waiting == 0);
    pair
}

fn with_dscp(dscp: Option<u8>) -> Started {
    start(EngineConfig {
        ports: 14_200..=14_299,
        dscp,
        ..EngineConfig::default()
    })
}

#[test]
fn media_and_reports_leave_with_the_mark_that_is_set() {
    if !alone() {
        return;
    }
    for (config, expected) in [
        (EngineConfig::default().dscp, 46),
        (Some(10), 10),
        (Some(0), 0),
    ] {
        let engine = with_dscp(config);
        for ips in [[V4, V4], [V6, V6], [V4, V6]] {
            let [client, agent] = ips.map(Phone::new);
            let pair = ring(&engine, [&client, &agent]);
            let [at_client, at_agent] = pair.local;
            // Whatever they came with, by the slow way and by the fast one.
            for dscp in [0, 34, 0, 46] {
                mark(&client.rtp, dscp);
                let got = passes(&client.rtp, at_client.rtp, &agent.rtp, &audio(1));
                assert_eq!(got, expected, "{ips:?}");
                let got = passes(&agent.rtp, at_agent.rtp, &client.rtp, &audio(1));
                assert_eq!(got, expected, "{ips:?}");
                let got = passes(&client.rtcp, at_client.rtcp, &agent.rtcp, &audio(1));
                assert_eq!(got, expected, "{ips:?}");
            }
            engine.close(pair.id);
        }
        engine.shutdown();
    }
}

#[test]
fn steered_ports_can_keep_the_mark_of_each_packet() {
    if !STEERED || !alone() {
        return;
    }
    let engine = with_dscp(None);
    for ips in [[V4, V4], [V6, V6], [V4, V6]] {
        let [client, agent] = ips.map(Phone::new);
        let pair = ring(&engine, [&client, &agent]);
        let [at_client, at_agent] = pair.local;
        for dscp in [34, 0, 46, 63, 34, 0] {
            mark(&client.rtp, dscp);
            let got = passes(&client.rtp, at_client.rtp, &agent.rtp, &audio(1));
            assert_eq!(got, dscp, "{ips:?}");
            let got = passes(&agent.rtp, at_agent.rtp, &client.rtp, &audio(1));
            assert_eq!(got, 0, "{ips:?}");
        }
        let seen = flow(&engine, &pair, Side::Client, Component::Rtp);
        assert_eq!((seen.forwarded(), seen.drops.total()), (6, 0));
    }
}

#[test]
fn without_steered_ports_marks_are_set_or_absent() {
    if STEERED || !alone() {
        return;
    }
    let config = EngineConfig {
        ports: 14_300..=14_399,
        dscp: None,
        ..EngineConfig::default()
    };
    let refused = Engine::start(configured(config)).unwrap_err();
    assert!(refused.to_string().contains("steered"), "{refused}");
}
