//! G6, F1: RTP bleed, RTP inject and the take-over of a flow, tried from a third address on every
//! port of the relay before, within and after the learning window.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Engine, OpenPair, PairSpec, Side};
use std::net::UdpSocket;
use std::time::Duration;

const PORTS: std::ops::RangeInclusive<u16> = 19_000..=19_099;

/// How often he knocks once both parties are learned; a device lets through what one source sends to
/// unknown ports only so often.
const KNOCKS: u64 = 8;

/// The attacker sends to every port, RTP and RTCP, and keeps a socket for each, in case that
/// something comes back there.
struct Attacker {
    sockets: Vec<UdpSocket>,
}

impl Attacker {
    fn new() -> Attacker {
        let one = |_| {
            let socket = socket(ELSEWHERE);
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Attacker {
            sockets: PORTS.map(one).collect(),
        }
    }

    /// Each socket knocks at each port of its own, several times, with RTP, RTCP and an empty one.
    fn knock(&self) {
        for (socket, port) in self.sockets.iter().zip(PORTS) {
            for data in [&packet(66, 172)[..], &[0x80, 200, 0, 1, 6, 6, 6, 6], &[]] {
                // Where no socket is, or a connected one, the kernel says so.
                let _ = socket.send_to(data, (HERE_V4, port));
            }
        }
    }

    /// Packets that the attacker has received since it was last asked.
    fn loot(&self) -> usize {
        let mut buffer = [0; 2048];
        let one = |socket: &UdpSocket| {
            let mut count = 0;
            loop {
                match socket.recv(&mut buffer) {
                    Ok(_) => count += 1,
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return count,
                    // An ICMP message that said that nobody listens there.
                    Err(_) => {}
                }
            }
        };
        self.sockets.iter().map(one).sum()
    }
}

/// The parties talk, and each hears the other and nobody else.
fn talk(client: &Phone, agent: &Phone, pair: &OpenPair) {
    let [at_client, at_agent] = pair.local;
    for n in 0..10 {
        let data = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    }
}

fn drops(engine: &Engine, pair: &OpenPair) -> u64 {
    engine.stats(pair.id).unwrap().drops().total()
}

fn assert_nobody_heard_him(client: &Phone, agent: &Phone) {
    for socket in [&client.rtp, &client.rtcp, &agent.rtp, &agent.rtcp] {
        assert_silent(socket);
    }
}

#[test]
fn an_attacker_at_a_third_address_hears_nothing_and_is_not_heard() {
    if !alone() {
        return;
    }
    let engine = engine(*PORTS.start(), *PORTS.end());
    let attacker = Attacker::new();
    let (client, agent) = (Phone::new(V4), Phone::new(V4));

    // Before anything is signalled.
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    attacker.knock();
    wait_for("his packets to be counted", || drops(&engine, &pair) == 12);
    assert_eq!(attacker.loot(), 0);

    // Within the window, while one side already speaks to the other that is not known yet.
    for (side, phone) in [(Side::Client, &client), (Side::Agent, &agent)] {
        engine.set_remote(pair.id, side, phone.remote()).unwrap();
        attacker.knock();
    }
    wait_for("his packets to be counted", || drops(&engine, &pair) == 36);
    let [at_client, at_agent] = pair.local;
    for n in 0..20 {
        let data = packet(n, 172);
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    }
    let within = attacker.loot();
    assert!(within < 5, "RTP bleed: {within} packets within the window");
    assert_eq!(within, 0, "who is not the party is not sent to at all");
    assert_nobody_heard_him(&client, &agent);

    // After both are learned: injected packets reach nobody, and nothing is taken over.
    talk(&client, &agent, &pair);
    for _ in 0..KNOCKS {
        attacker.knock();
        talk(&client, &agent, &pair);
    }
    assert_eq!(attacker.loot(), 0);
    assert_nobody_heard_him(&client, &agent);
    // RTP is refused by the kernel now; reports, which nobody has sent yet, by the engine.
    wait_for("his reports to be counted", || {
        drops(&engine, &pair) == 36 + KNOCKS * 6
    });
    assert!(engine.totals().host.no_ports >= KNOCKS * 6);
    let report = [0x80, 201, 0, 1, 9, 9, 9, 9];
    let (here, there) = (at_client.rtcp, at_agent.rtcp);
    assert_passes(&client.rtcp, here, &agent.rtcp, there, &report);
    assert_eq!(attacker.loot(), 0);
}

#[test]
fn after_the_window_even_the_partys_own_address_is_not_learned() {
    if !alone() {
        return;
    }
    let engine = engine(19_100, 19_199);
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let [at_client, at_agent] = pair.local;
    for (side, phone) in [(Side::Client, &client), (Side::Agent, &agent)] {
        let mut closed = phone.remote();
        closed.learn_window = Duration::ZERO;
        engine.set_remote(pair.id, side, closed).unwrap();
    }
    // Somebody who shares the client's address, such as behind the same translator.
    let neighbour = socket(V4);
    for n in 1..=10 {
        neighbour.send_to(&packet(66, 172), at_client.rtp).unwrap();
        wait_for("his packet", || drops(&engine, &pair) == n);
    }
    let data = packet(4, 172);
    assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    assert_silent(&neighbour);
    talk(&client, &agent, &pair);
    // A learned flow is not taken over by him either, from within the host or outside.
    for _ in 0..10 {
        let _ = neighbour.send_to(&packet(66, 172), at_client.rtp);
        talk(&client, &agent, &pair);
    }
    assert_silent(&neighbour);
    assert_nobody_heard_him(&client, &agent);
    let learned = flow(&engine, &pair, Side::Client, Component::Rtp);
    assert!(learned.learned);
}
