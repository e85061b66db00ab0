//! F1, B7: a party's network address translator gives it another address, before and after the
//! relay has learned where it is.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, Engine, OpenPair, PairSpec, Remote, Side};
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Inside its own network, where nothing of ours leads to.
const PRIVATE: SocketAddr = SocketAddr::new(NOWHERE, 4000);
/// Where its translator is, and where another one is.
const WLAN: IpAddr = V4;
const MOBILE: IpAddr = ELSEWHERE;

/// What a phone behind a translator signals.
fn private(signalled_from: IpAddr) -> Remote {
    let rtcp = SocketAddr::new(PRIVATE.ip(), PRIVATE.port() + 1);
    Remote::new(PRIVATE, rtcp, signalled_from, WINDOW)
}

/// A call between a plain client and an agent behind a translator, and the agent's door.
fn behind_nat(engine: &Engine) -> (Phone, OpenPair) {
    let client = Phone::new(V4);
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    engine
        .set_remote(pair.id, Side::Client, client.remote())
        .unwrap();
    engine
        .set_remote(pair.id, Side::Agent, private(WLAN))
        .unwrap();
    (client, pair)
}

fn talk(client: &Phone, agent: &UdpSocket, pair: &OpenPair) {
    let [at_client, at_agent] = pair.local;
    for n in 0..5 {
        let data = packet(n, 172);
        assert_passes(agent, at_agent.rtp, &client.rtp, at_client.rtp, &data);
        assert_passes(&client.rtp, at_client.rtp, agent, at_agent.rtp, &data);
    }
}

fn is_learned(engine: &Engine, pair: &OpenPair) -> bool {
    flow(engine, pair, Side::Agent, Component::Rtp).learned
}

#[test]
fn before_learning_the_first_packet_from_where_it_signals_decides() {
    if !alone() {
        return;
    }
    let engine = engine(17_200, 17_299);
    let (client, pair) = behind_nat(&engine);
    // Its translator changed its mind twice before the first packet came through.
    let [before, now] = [socket(WLAN), socket(WLAN)];
    talk(&client, &now, &pair);
    assert_refused(&engine, &pair, Side::Agent, &before);
    talk(&client, &now, &pair);
    assert_silent(&client.rtp);
}

#[test]
fn after_learning_another_port_or_address_is_followed_only_when_it_signals_so() {
    if !alone() {
        return;
    }
    let engine = engine(17_300, 17_399);
    let (client, pair) = behind_nat(&engine);
    let at_client = pair.local[0];
    let first = socket(WLAN);
    talk(&client, &first, &pair);

    // The same translator, another port; and then another network altogether.
    for rebound in [socket(WLAN), socket(MOBILE)] {
        assert_refused(&engine, &pair, Side::Agent, &rebound);
    }
    talk(&client, &first, &pair);
    assert_silent(&client.rtp);

    // A re-INVITE over the new network: the same description, from elsewhere.
    engine
        .set_remote(pair.id, Side::Agent, private(MOBILE))
        .unwrap();
    wait_for("learning to start anew", || !is_learned(&engine, &pair));
    let mobile = socket(MOBILE);
    talk(&client, &mobile, &pair);
    assert_refused(&engine, &pair, Side::Agent, &first);
    talk(&client, &mobile, &pair);

    // A re-INVITE with a new description: a new port on the same network.
    let mut moved = private(MOBILE);
    moved.rtp.set_port(4100);
    engine.set_remote(pair.id, Side::Agent, moved).unwrap();
    wait_for("learning to start anew", || !is_learned(&engine, &pair));
    let again = socket(MOBILE);
    talk(&client, &again, &pair);
    client.rtp.send_to(&packet(7, 60), at_client.rtp).unwrap();
    assert_eq!(receive(&again).0, packet(7, 60));
    assert_silent(&mobile);
}

#[test]
fn signalling_that_changes_nothing_does_not_open_a_flow_that_is_heard() {
    if !alone() {
        return;
    }
    let engine = engine(17_400, 17_499);
    let (client, pair) = behind_nat(&engine);
    let agent = socket(WLAN);
    talk(&client, &agent, &pair);
    // A session refresh (RFC 4028): the very same description from the very same place.
    engine
        .set_remote(pair.id, Side::Agent, private(WLAN))
        .unwrap();
    // The engine has taken it in when it has taken in what came later.
    let (_, _, later) = call(&engine);
    let other = socket(ELSEWHERE);
    other.send_to(b"x", later.local[0].rtp).unwrap();
    let seen = || flow(&engine, &later, Side::Client, Component::Rtp).received;
    wait_for("the later pair", || seen() == 1);
    assert!(is_learned(&engine, &pair));
    assert_refused(&engine, &pair, Side::Agent, &socket(WLAN));
    talk(&client, &agent, &pair);
}
