//! G6, F1: STUN (RFC 8489) and DTLS (RFC 9147) to a port whose SDP has no encryption are counted
//! by name, and neither answered nor sent on, whoever sends them; on a protected port they pass.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, PairSpec, Profile, Side};

/// A binding request: what an ICE agent knocks with.
fn binding_request() -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([7; 12]);
    bytes
}

/// The head of a ClientHello in a DTLS record, and something after it.
fn client_hello() -> Vec<u8> {
    let mut bytes = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1];
    bytes.extend([0; 39]);
    bytes
}

#[test]
fn neither_is_answered_nor_sent_on_from_a_plain_port() {
    if !alone() {
        return;
    }
    let engine = engine(18_600, 18_699);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let count = |reason| {
        let client = flow(&engine, &pair, Side::Client, Component::Rtp);
        client.drops.get(reason)
    };
    let mut knocks = 0;
    let mut knock = |socket: &std::net::UdpSocket| {
        for data in [binding_request(), client_hello()] {
            socket.send_to(&data, at_client.rtp).unwrap();
        }
        knocks += 1;
        wait_for("both to be counted", || {
            (
                count(DropReason::StunOnPlain),
                count(DropReason::DtlsOnPlain),
            ) == (knocks, knocks)
        });
    };
    // A stranger, the party itself, another port of the party: nobody is learned by it.
    let [stranger, other_port] = [socket(ELSEWHERE), socket(V4)];
    for socket in [&stranger, &client.rtp, &other_port] {
        knock(socket);
    }
    assert!(!flow(&engine, &pair, Side::Client, Component::Rtp).learned);
    // The party, once it is learned.
    let data = packet(5, 172);
    assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
    knock(&client.rtp);
    // Keep-alives of a few bytes are not taken for either.
    for keep_alive in [&[][..], &[0], &[0; 11], &[22; 11], &[0, 0, 0, 0]] {
        assert_passes(
            &client.rtp,
            at_client.rtp,
            &agent.rtp,
            at_agent.rtp,
            keep_alive,
        );
    }
    for socket in [&stranger, &other_port, &client.rtp, &agent.rtp] {
        assert_silent(socket);
    }
    let seen = flow(&engine, &pair, Side::Client, Component::Rtp);
    assert_eq!((seen.forwarded(), seen.drops.total()), (6, 8));
}

#[test]
fn both_pass_between_sides_that_agreed_on_encryption() {
    if !alone() {
        return;
    }
    let engine = engine(18_700, 18_799);
    let (client, agent) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    for (side, phone) in [(Side::Client, &client), (Side::Agent, &agent)] {
        let mut remote = phone.remote();
        remote.profile = Profile::Protected;
        engine.set_remote(pair.id, side, remote).unwrap();
    }
    let [at_client, at_agent] = pair.local;
    for data in [binding_request(), client_hello(), packet(1, 172)] {
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, &data);
    }
    // A stranger is no more heard there than anywhere else.
    let stranger = socket(ELSEWHERE);
    assert_refused(&engine, &pair, Side::Client, &stranger);
    stranger.send(&binding_request()).unwrap();
    assert_silent(&agent.rtp);
}
