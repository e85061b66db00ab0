//! Who is followed when a side moves, forks, falls silent or receives elsewhere.
#![allow(clippy::unwrap_used)]

use super::*;

const SETTLED: u64 = 2 * SECOND;

fn plain(rtp: &str) -> Remote {
    remote(rtp, "192.0.2.1:4001", "192.0.2.1")
}

/// A client that signals from its own address and was learned at another port of it.
fn behind_nat() -> PairState {
    let mut pair = both();
    signal(&mut pair, Side::Client, &plain("192.0.2.1:4000"), 0);
    pair.learn(C_RTP, at("192.0.2.1:31000"));
    pair
}

#[test]
fn late_packets_from_where_a_side_was_do_not_lock_it_there() {
    let mut pair = behind_nat();
    signal(&mut pair, Side::Client, &plain("192.0.2.1:5000"), 0);
    for late in ["192.0.2.1:4000", "192.0.2.1:31000"] {
        assert_eq!(
            ask(&pair, C_RTP, late, SETTLED - 1),
            dropped(DropReason::SourceUnexpected)
        );
        // A phone that signals another address and stays where it is comes through after that.
        assert_eq!(ask(&pair, C_RTP, late, SETTLED), sent(A_RTP, true));
    }
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:5000", 0), sent(A_RTP, true));
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:32000", 0), sent(A_RTP, true));
}

#[test]
fn who_comes_back_from_a_hold_is_welcome_and_may_play_music_meanwhile() {
    let mut pair = behind_nat();
    signal(&mut pair, Side::Client, &plain("0.0.0.0:4000"), 0);
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:31000", 0), sent(A_RTP, true));
    let mut elsewhere = pair;
    signal(&mut pair, Side::Client, &plain("192.0.2.1:4000"), 0);
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:31000", 0), sent(A_RTP, true));
    // Who moves during the hold does not come back.
    signal(&mut elsewhere, Side::Client, &plain("192.0.2.1:5000"), 0);
    assert_eq!(
        ask(&elsewhere, C_RTP, "192.0.2.1:31000", 0),
        dropped(DropReason::SourceUnexpected)
    );
}

#[test]
fn a_hold_that_is_signalled_twice_is_one_hold() {
    let mut pair = behind_nat();
    signal(&mut pair, Side::Client, &plain("0.0.0.0:4000"), 0);
    pair.learn(C_RTP, at("192.0.2.1:31000"));
    let mut from_elsewhere = plain("0.0.0.0:4000");
    from_elsewhere.signalled_from = "198.51.100.7".parse().unwrap();
    signal(&mut pair, Side::Client, &from_elsewhere, 0);
    assert_eq!(pair.learned(C_RTP), None);
    signal(&mut pair, Side::Client, &plain("192.0.2.1:4000"), 0);
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:31000", 0), sent(A_RTP, true));
}

#[test]
fn a_fork_that_is_left_behind_does_not_speak_for_the_one_that_answers() {
    let mut pair = both();
    signal(&mut pair, Side::Client, &plain("192.0.2.1:4000"), 0);
    pair.learn(C_RTP, at("192.0.2.1:4000"));
    signal(&mut pair, Side::Client, &plain("192.0.2.1:7000"), 0);
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", 0),
        dropped(DropReason::SourceUnexpected)
    );
    // The first one answers after all.
    signal(&mut pair, Side::Client, &plain("192.0.2.1:4000"), SECOND);
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", SECOND),
        sent(A_RTP, true)
    );
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:7000", SECOND),
        dropped(DropReason::SourceUnexpected)
    );
}

#[test]
fn signalling_again_finds_a_side_that_was_lost_and_no_other() {
    let lost = 5 * SECOND + 1;
    let mut pair = behind_nat();
    let same = plain("192.0.2.1:4000");
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:32000", 4 * SECOND),
        dropped(DropReason::SourceUnexpected)
    );
    let heard = [lost - 5 * SECOND; 2];
    assert_eq!(
        pair.set_remote(Side::Client, &same, lost, heard),
        [false, false]
    );
    assert_eq!(pair.learned(C_RTP), Some(at("192.0.2.1:31000")));
    assert_eq!(
        pair.set_remote(Side::Client, &same, lost, [0; 2]),
        [true, false]
    );
    assert_eq!(
        ask(&pair, C_RTP, "203.0.113.5:32000", lost),
        dropped(DropReason::SourceUnexpected)
    );
    for either in ["192.0.2.1:32000", "192.0.2.1:31000"] {
        assert_eq!(ask(&pair, C_RTP, either, lost), sent(A_RTP, true));
    }
}

#[test]
fn a_side_that_receives_elsewhere_is_sent_to_its_address_and_locked_all_the_same() {
    let mut pair = both();
    let mut asymmetric = plain("192.0.2.1:4000");
    asymmetric.symmetric = false;
    signal(&mut pair, Side::Client, &asymmetric, 0);
    assert!(!pair.is_symmetric(Side::Client) && pair.is_symmetric(Side::Agent));
    assert_eq!(ask(&pair, C_RTP, "192.0.2.1:9000", 0), sent(A_RTP, true));
    pair.learn(C_RTP, at("192.0.2.1:9000"));
    assert_eq!(
        pair.destination(C_RTP),
        Destination::At(at("192.0.2.1:4000"))
    );
    assert_eq!(
        ask(&pair, C_RTP, "192.0.2.1:4000", 0),
        dropped(DropReason::SourceUnexpected)
    );
    // It becomes symmetric: its socket is to be connected, so it is learned anew.
    let symmetric = plain("192.0.2.1:4000");
    assert_eq!(signal(&mut pair, Side::Client, &symmetric, 0), [true, true]);
}
