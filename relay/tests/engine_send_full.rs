//! F1: the send buffer of a socket is full: what does not fit is dropped with its reason, and
//! everything else goes on.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, PairSpec, Remote, Side};
use std::net::IpAddr;
use std::process::Command;

const DEVICE: &str = "patchbay-full";
const OUR_IP: &str = "10.77.0.1";
const PEER_IP: &str = "10.77.0.9";

/// Lays a wire in this thread's namespace that leads to a host that does not answer: packets for
/// it wait, and count against their socket's buffer.
fn lay_a_wire_where_packets_wait() {
    let queue = format!("net.ipv4.neigh.{DEVICE}.unres_qlen_bytes=16777216");
    for command in [
        format!("ip link add {DEVICE} type veth peer name patchbay-end"),
        format!("ip address add {OUR_IP}/24 dev {DEVICE}"),
        format!("ip link set {DEVICE} up"),
        "ip link set patchbay-end up".to_owned(),
        format!("sysctl -q -w {queue}"),
    ] {
        let mut words = command.split(' ');
        let status = Command::new(words.next().unwrap()).args(words).status();
        assert!(status.unwrap().success(), "{command}");
    }
}

#[test]
fn what_does_not_fit_is_dropped_by_name_and_the_engine_goes_on() {
    if !alone() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a network namespace needs CAP_SYS_ADMIN");
        return;
    }
    lay_a_wire_where_packets_wait();
    let engine = engine(19_200, 19_299);
    let client = Phone::new(V4);
    let ours: IpAddr = OUR_IP.parse().unwrap();
    let pair = engine.open(PairSpec::new(HERE_V4, ours)).unwrap();
    let at_client = pair.local[0];
    let peer: IpAddr = PEER_IP.parse().unwrap();
    let silent = Remote::new((peer, 4000).into(), (peer, 4001).into(), peer, WINDOW);
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    engine.set_remote(pair.id, Side::Agent, silent).unwrap();
    let seen = || flow(&engine, &pair, Side::Client, Component::Rtp);
    let full = || seen().drops.get(DropReason::SendWouldBlock);
    let send = |received: u64| {
        client.rtp.send_to(&packet(1, 1400), at_client.rtp).unwrap();
        wait_for("the packet", || seen().received == received);
    };
    let mut sent = 0;
    // All steered ports of an address share a buffer that no single host fills.
    while full() == 0 && !(STEERED && sent == 500) {
        sent += 1;
        assert!(sent < 5000, "the buffer never fills");
        send(sent);
    }
    assert_eq!(seen().drops.total(), full());
    assert!(seen().forwarded() > 0);

    // Other calls do not notice.
    let (other_client, other_agent, other) = call(&engine);
    for n in 0..100 {
        let data = packet(n, 172);
        let [here, there] = other.local;
        send(sent + u64::from(n) + 1);
        assert_passes(
            &other_client.rtp,
            here.rtp,
            &other_agent.rtp,
            there.rtp,
            &data,
        );
    }
    assert_eq!(engine.stats(other.id).unwrap().drops().total(), 0);

    // The host answers, its packets go out, and there is room again.
    let neighbour = format!("neigh replace {PEER_IP} lladdr 02:00:00:00:00:09 dev {DEVICE}");
    let status = Command::new("ip").args(neighbour.split(' ')).status();
    assert!(status.unwrap().success());
    wait_for("room in the buffer", || {
        let before = seen();
        send(before.received + 1);
        // Whether the send failed is known when a later packet has been forwarded.
        let [here, there] = other.local;
        assert_passes(
            &other_client.rtp,
            here.rtp,
            &other_agent.rtp,
            there.rtp,
            &packet(9, 172),
        );
        seen().drops.total() == before.drops.total()
    });
    assert!(engine.health()[0].alive);
}
