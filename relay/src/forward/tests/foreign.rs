//! What is no RTP, what is not wanted, and what comes too often.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::strangers::STRANGER_BURST;

fn head(first: u8, len: usize) -> Datagram {
    Datagram {
        source: at("192.0.2.1:4000"),
        len,
        truncated: false,
        first_byte: (len > 0).then_some(first),
        second_byte: (len > 1).then_some(0),
    }
}

fn protected() -> Remote {
    let mut remote = remote("192.0.2.1:4000", "192.0.2.1:4001", "198.51.100.7");
    remote.profile = Profile::Protected;
    remote
}

#[test]
fn each_first_byte_is_what_rfc_7983_says_on_a_plain_port() {
    let mut pair = both();
    pair.learn(C_RTP, at("192.0.2.1:4000"));
    for first in 0..=255 {
        let expected = match first {
            0..=3 => dropped(DropReason::StunOnPlain),
            20..=63 => dropped(DropReason::DtlsOnPlain),
            _ => sent(A_RTP, false),
        };
        assert_eq!(decide(&pair, C_RTP, &head(first, 172), 0), expected);
    }
}

#[test]
fn what_is_too_short_for_a_header_is_a_keep_alive() {
    let pair = both();
    for (first, longest) in [(0, 19), (3, 19), (20, 12), (63, 12)] {
        for len in [0, 1, 2, 11, longest] {
            assert_eq!(
                decide(&pair, C_RTP, &head(first, len), 0),
                sent(A_RTP, true)
            );
        }
        let longer = decide(&pair, C_RTP, &head(first, longest + 1), 0);
        assert!(matches!(longer.verdict, Verdict::Drop(_)), "{longer:?}");
        assert!(!longer.learn);
    }
}

#[test]
fn stun_and_dtls_pass_on_a_protected_port() {
    let mut pair = both();
    signal(&mut pair, Side::Client, &protected(), 0);
    for first in [0, 1, 20, 22, 63, 128] {
        assert_eq!(
            decide(&pair, C_RTP, &head(first, 172), 0),
            sent(A_RTP, true)
        );
    }
    // The other side is still plain.
    let mut from_agent = head(22, 172);
    from_agent.source = at("[2001:db8::1]:6000");
    assert_eq!(
        decide(&pair, A_RTP, &from_agent, 0),
        dropped(DropReason::DtlsOnPlain)
    );
}

#[test]
fn a_strangers_tokens_end_and_a_partys_do_not() {
    let pair = both();
    let mut strangers = Strangers::new(3);
    let mut ask = |source: &str, now: u64| {
        let datagram = Datagram {
            source: at(source),
            ..head(0x80, 172)
        };
        forward(&pair, C_RTP, &datagram, now, &mut strangers)
    };
    // Every port of a stranger is the same stranger.
    for port in 0..STRANGER_BURST {
        let source = format!("203.0.113.5:{}", 1024 + port);
        assert_eq!(ask(&source, 1), dropped(DropReason::SourceUnexpected));
    }
    assert_eq!(
        ask("203.0.113.5:9", 1),
        dropped(DropReason::SourceRateLimited)
    );
    // What could be learned costs a token too; what was signalled does not.
    for _ in 0..STRANGER_BURST {
        assert_eq!(ask("198.51.100.7:31000", 1), sent(A_RTP, true));
    }
    assert_eq!(
        ask("198.51.100.7:31000", 1),
        dropped(DropReason::SourceRateLimited)
    );
    for _ in 0..=2 * STRANGER_BURST {
        assert_eq!(ask("192.0.2.1:4000", 1), sent(A_RTP, true));
    }
    assert_eq!(ask("198.51.100.7:31000", SECOND), sent(A_RTP, true));
}

#[test]
fn a_learned_source_costs_no_token() {
    let mut pair = both();
    pair.learn(C_RTP, at("198.51.100.7:31000"));
    let mut strangers = Strangers::new(3);
    let datagram = Datagram {
        source: at("198.51.100.7:31000"),
        ..head(0x80, 172)
    };
    for _ in 0..=2 * STRANGER_BURST {
        let decision = forward(&pair, C_RTP, &datagram, 1, &mut strangers);
        assert_eq!(decision, sent(A_RTP, false));
    }
}

#[test]
fn a_side_that_wants_no_media_is_sent_reports_only() {
    let mut pair = both();
    let mut sendonly = remote("192.0.2.1:4000", "192.0.2.1:4001", "198.51.100.7");
    sendonly.receives = false;
    signal(&mut pair, Side::Client, &sendonly, 0);
    let agent = "[2001:db8::1]:6000";
    assert_eq!(
        ask(&pair, A_RTP, agent, 0).verdict,
        Verdict::Drop(DropReason::RemoteHeld)
    );
    assert_eq!(
        ask(&pair, A_RTCP, "[2001:db8::1]:6001", 0),
        sent(C_RTCP, true)
    );
    // It may speak itself: music on hold.
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:4000", 0), sent(A_RTP, true));
    // The same with both on one port.
    let mut one_port = remote("[2001:db8::1]:6000", "[2001:db8::1]:6000", "2001:db8::1");
    signal(&mut pair, Side::Agent, &one_port, 0);
    sendonly.rtcp = sendonly.rtp;
    signal(&mut pair, Side::Client, &sendonly, 0);
    let mut report = head(0x80, 60);
    report.source = at(agent);
    report.second_byte = Some(201);
    assert_eq!(decide(&pair, A_RTP, &report, 0), sent(C_RTP, true));
    report.second_byte = Some(0);
    assert_eq!(
        decide(&pair, A_RTP, &report, 0).verdict,
        Verdict::Drop(DropReason::RemoteHeld)
    );
    one_port.receives = false;
    signal(&mut pair, Side::Agent, &one_port, 0);
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", 0).verdict,
        Verdict::Drop(DropReason::RemoteHeld)
    );
}
