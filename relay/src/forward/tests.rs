//! Every rule of the verdict, without a socket.
#![allow(clippy::unwrap_used)]

mod foreign;
mod moves;

use super::*;

const SECOND: u64 = 1_000_000_000;
const WINDOW: Duration = Duration::from_secs(5);

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn remote(rtp: &str, rtcp: &str, from: &str) -> Remote {
    Remote::new(at(rtp), at(rtcp), from.parse().unwrap(), WINDOW)
}

const C_RTP: Flow = Flow::new(Side::Client, Component::Rtp);
const C_RTCP: Flow = Flow::new(Side::Client, Component::Rtcp);
const A_RTP: Flow = Flow::new(Side::Agent, Component::Rtp);
const A_RTCP: Flow = Flow::new(Side::Agent, Component::Rtcp);

/// A side's SDP, while packets of it come.
fn signal(pair: &mut PairState, side: Side, remote: &Remote, now: u64) -> Restarted {
    pair.set_remote(side, remote, now, [now; 2])
}

/// A client at 192.0.2.1:4000 whose signalling comes from 198.51.100.7; an agent on IPv6.
fn both() -> PairState {
    let mut pair = PairState::default();
    signal(
        &mut pair,
        Side::Client,
        &remote("192.0.2.1:4000", "192.0.2.1:4001", "198.51.100.7"),
        0,
    );
    signal(
        &mut pair,
        Side::Agent,
        &remote("[2001:db8::1]:6000", "[2001:db8::1]:6001", "2001:db8::1"),
        0,
    );
    pair
}

fn ask(pair: &PairState, flow: Flow, source: &str, now: u64) -> Decision {
    let datagram = Datagram {
        source: at(source),
        len: 172,
        truncated: false,
        first_byte: Some(0x80),
        second_byte: Some(0),
    };
    decide(pair, flow, &datagram, now)
}

/// The verdict with tokens for everybody.
fn decide(pair: &PairState, flow: Flow, datagram: &Datagram, now: u64) -> Decision {
    forward(pair, flow, datagram, now, &mut Strangers::new(1))
}

fn sent(out: Flow, learn: bool) -> Decision {
    Decision {
        verdict: Verdict::Forward(out),
        learn,
    }
}

fn dropped(reason: DropReason) -> Decision {
    Decision {
        verdict: Verdict::Drop(reason),
        learn: false,
    }
}

#[test]
fn the_signalled_address_is_learned_at_any_time_and_forwarded() {
    let mut pair = both();
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", 100 * SECOND),
        sent(A_RTP, true)
    );
    pair.learn(C_RTP, at("192.0.2.1:4000"));
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", 100 * SECOND),
        sent(A_RTP, false)
    );
    assert_eq!(
        ask(&pair, A_RTCP, "[2001:db8::1]:6001", 0),
        sent(C_RTCP, true)
    );
}

#[test]
fn a_party_behind_nat_is_learned_within_the_window_only() {
    let pair = both();
    for source in ["192.0.2.1:9999", "198.51.100.7:31000"] {
        assert_eq!(ask(&pair, C_RTP, source, 5 * SECOND - 1), sent(A_RTP, true));
        assert_eq!(
            ask(&pair, C_RTP, source, 5 * SECOND),
            dropped(DropReason::SourceUnexpected)
        );
    }
    assert_eq!(
        ask(&pair, C_RTP, "203.0.113.5:4000", 0),
        dropped(DropReason::SourceUnexpected)
    );
}

#[test]
fn a_locked_flow_listens_to_nobody_else() {
    let mut pair = both();
    pair.learn(C_RTP, at("198.51.100.7:31000"));
    for source in ["192.0.2.1:4000", "198.51.100.7:31001", "203.0.113.5:1"] {
        assert_eq!(
            ask(&pair, C_RTP, source, 0),
            dropped(DropReason::SourceUnexpected)
        );
    }
    assert_eq!(
        pair.destination(C_RTP),
        Destination::At(at("198.51.100.7:31000"))
    );
    assert_eq!(
        pair.destination(C_RTCP),
        Destination::At(at("192.0.2.1:4001"))
    );
}

#[test]
fn nothing_is_sent_before_an_address_is_signalled() {
    let mut pair = PairState::default();
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", 0),
        dropped(DropReason::SourceUnsignalled)
    );
    signal(
        &mut pair,
        Side::Client,
        &remote("192.0.2.1:4000", "192.0.2.1:4001", "192.0.2.1"),
        0,
    );
    let early = ask(&pair, C_RTP, "192.0.2.1:4000", 0);
    assert_eq!(
        early,
        Decision {
            verdict: Verdict::Drop(DropReason::RemoteUnknown),
            learn: true
        }
    );
}

#[test]
fn a_held_side_is_sent_nothing_and_may_speak_from_where_it_signals() {
    let mut pair = both();
    signal(
        &mut pair,
        Side::Client,
        &remote("0.0.0.0:4000", "0.0.0.0:4001", "198.51.100.7"),
        0,
    );
    assert_eq!(
        ask(&pair, A_RTP, "[2001:db8::1]:6000", 0).verdict,
        Verdict::Drop(DropReason::RemoteHeld)
    );
    assert_eq!(
        ask(&pair, C_RTP, "198.51.100.7:31000", 0),
        sent(A_RTP, true)
    );
    assert_eq!(
        ask(&pair, C_RTP, "0.0.0.0:4000", 0),
        dropped(DropReason::SourceUnexpected)
    );
    pair.learn(C_RTP, at("198.51.100.7:31000"));
    assert_eq!(pair.destination(C_RTP), Destination::Held);
    signal(
        &mut pair,
        Side::Client,
        &remote("192.0.2.1:0", "192.0.2.1:1", "198.51.100.7"),
        0,
    );
    assert_eq!(pair.destination(C_RTP), Destination::Held);
}

#[test]
fn a_side_that_moves_learns_anew_and_one_that_does_not_stays_locked() {
    let mut pair = both();
    pair.learn(C_RTP, at("198.51.100.7:31000"));
    pair.learn(C_RTCP, at("198.51.100.7:31001"));
    let same = remote("192.0.2.1:4000", "192.0.2.1:4001", "198.51.100.7");
    assert_eq!(
        signal(&mut pair, Side::Client, &same, 9 * SECOND),
        [false, false]
    );
    assert_eq!(pair.learned(C_RTP), Some(at("198.51.100.7:31000")));
    let only_rtp = remote("192.0.2.1:5000", "192.0.2.1:4001", "198.51.100.7");
    assert_eq!(
        signal(&mut pair, Side::Client, &only_rtp, 9 * SECOND),
        [true, false]
    );
    assert_eq!(
        (pair.learned(C_RTP), pair.destination(C_RTP)),
        (None, Destination::At(at("192.0.2.1:5000")))
    );
    assert_eq!(pair.learned(C_RTCP), Some(at("198.51.100.7:31001")));
    let other_network = remote("192.0.2.1:5000", "192.0.2.1:4001", "203.0.113.80");
    assert_eq!(
        signal(&mut pair, Side::Client, &other_network, 9 * SECOND),
        [true, true]
    );
    assert_eq!(
        ask(&pair, C_RTP, "198.51.100.7:31000", 10 * SECOND),
        dropped(DropReason::SourceUnexpected)
    );
    assert_eq!(
        ask(&pair, C_RTP, "203.0.113.80:31000", 10 * SECOND),
        sent(A_RTP, true)
    );
}

#[test]
fn the_same_sdp_again_gives_an_unlearned_flow_a_new_window() {
    let mut pair = both();
    let same = remote("192.0.2.1:4000", "192.0.2.1:4001", "198.51.100.7");
    signal(&mut pair, Side::Client, &same, 60 * SECOND);
    assert_eq!(
        ask(&pair, C_RTP, "198.51.100.7:31000", 64 * SECOND),
        sent(A_RTP, true)
    );
}

#[test]
fn the_window_has_a_limit() {
    let mut pair = PairState::default();
    let mut endless = remote("192.0.2.1:4000", "192.0.2.1:4001", "192.0.2.1");
    endless.learn_window = Duration::MAX;
    signal(&mut pair, Side::Client, &endless, 0);
    signal(
        &mut pair,
        Side::Agent,
        &remote("192.0.2.2:1", "192.0.2.2:2", "192.0.2.2"),
        0,
    );
    let limit = MAX_LEARN_WINDOW_SECONDS * SECOND;
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:9", limit - 1),
        sent(A_RTP, true)
    );
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:9", limit),
        dropped(DropReason::SourceUnexpected)
    );
}

#[test]
fn sizes_from_nothing_to_the_limit_pass() {
    let pair = both();
    let mut datagram = Datagram {
        source: at("192.0.2.1:4000"),
        len: 0,
        truncated: false,
        first_byte: None,
        second_byte: None,
    };
    for len in [0, 1, 11, 12, 172, 1500, MAX_DATAGRAM_BYTES] {
        datagram.len = len;
        assert_eq!(decide(&pair, C_RTP, &datagram, 0), sent(A_RTP, true));
    }
    datagram.len = MAX_DATAGRAM_BYTES + 1;
    let oversized = Decision {
        verdict: Verdict::Drop(DropReason::Oversized),
        learn: true,
    };
    assert_eq!(decide(&pair, C_RTP, &datagram, 0), oversized);
    (datagram.len, datagram.truncated) = (MAX_DATAGRAM_BYTES, true);
    assert_eq!(decide(&pair, C_RTP, &datagram, 0), oversized);
}

#[test]
fn multiplexed_reports_find_the_socket_that_the_other_side_expects() {
    let mut pair = both();
    signal(
        &mut pair,
        Side::Client,
        &remote("192.0.2.1:4000", "192.0.2.1:4000", "192.0.2.1"),
        0,
    );
    let mut datagram = Datagram {
        source: at("192.0.2.1:4000"),
        len: 60,
        truncated: false,
        first_byte: Some(0x80),
        second_byte: Some(200),
    };
    assert_eq!(decide(&pair, C_RTP, &datagram, 0), sent(A_RTCP, true));
    for media in [Some(0), Some(0x80 | 101), Some(191), Some(224), None] {
        datagram.second_byte = media;
        assert_eq!(decide(&pair, C_RTP, &datagram, 0), sent(A_RTP, true));
    }
    assert_eq!(
        ask(&pair, A_RTCP, "[2001:db8::1]:6001", 0),
        sent(C_RTP, true)
    );
    let both_do = remote("[2001:db8::1]:6000", "[2001:db8::1]:6000", "2001:db8::1");
    signal(&mut pair, Side::Agent, &both_do, 0);
    datagram.second_byte = Some(200);
    assert_eq!(decide(&pair, C_RTP, &datagram, 0), sent(A_RTP, true));
}

#[test]
fn an_ipv6_scope_is_no_part_of_an_address() {
    let mut pair = both();
    signal(
        &mut pair,
        Side::Agent,
        &remote("[fe80::1]:6000", "[fe80::1]:6001", "fe80::1"),
        0,
    );
    let SocketAddr::V6(mut scoped) = at("[fe80::1]:6000") else {
        unreachable!()
    };
    scoped.set_scope_id(3);
    let datagram = Datagram {
        source: SocketAddr::V6(scoped),
        len: 1,
        truncated: false,
        first_byte: None,
        second_byte: None,
    };
    assert_eq!(decide(&pair, A_RTP, &datagram, 0), sent(C_RTP, true));
}
