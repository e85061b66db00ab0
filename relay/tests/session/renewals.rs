//! Refreshes of ours by re-INVITE, toward a phone that does not take UPDATE (RFC 4028 section 7.4). B6.
use crate::support::*;
use crate::timers::establish_with;
use patchbay_relay::engine::Side;
use patchbay_sip::{HeaderName, Message};
use std::time::Duration;

const UNABLE: [(&str, &str); 3] = [
    ("Supported", "timer"),
    ("Session-Expires", "200;refresher=uas"),
    ("Allow", "INVITE, ACK, BYE"),
];

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A call whose caller is to be refreshed, after it was refreshed for the first time: the INVITE that the
/// agent got, the 200 that the caller got, and the refresh.
fn refreshed(bed: &mut Bed) -> (Message, Message, Message) {
    let (offer, ok) = establish_as(bed, &UNABLE);
    assert_eq!(
        ok.headers.get(HeaderName::SessionExpires),
        Some("200;refresher=uas")
    );
    bed.pass(seconds(100));
    let refresh = bed.expect(CALLER, "INVITE");
    (offer, ok, refresh)
}

fn establish_as(bed: &mut Bed, asked: &[(&str, &str)]) -> (Message, Message) {
    let call = establish_with(bed, asked, &[]);
    (call.offer, call.ok)
}

/// The caller's answer to a request of ours.
fn says(request: &Message, status: u16) -> Message {
    let mut answer = answer(request, status, "alice");
    let contact = format!("<sip:alice@{CALLER}>");
    answer.headers.set(HeaderName::Contact, contact);
    if status == 200 {
        answer
            .headers
            .push(HeaderName::SessionExpires, "200;refresher=uac");
    }
    answer
}

fn agrees(bed: &mut Bed, refresh: &Message, port: u16) {
    let ok = with_sdp(says(refresh, 200), "192.0.2.9", port);
    bed.receive_message(udp(CALLER), &ok);
    let ack = bed.expect(CALLER, "ACK");
    assert_eq!(ack.cseq().unwrap().number, refresh.cseq().unwrap().number);
}

fn assert_over(bed: &mut Bed) {
    assert_eq!(bed.core.live_sessions(), 0);
    bed.expect(CALLER, "BYE");
    bed.expect(AGENT, "BYE");
}

#[test]
fn the_last_description_is_offered_again_and_again_as_it_was() {
    let mut bed = Bed::with(|config| config.media_timeout = seconds(3600));
    let (_, ok, mut refresh) = refreshed(&mut bed);
    let before = bed.remote(Side::Client);
    for _ in 0..3 {
        assert_eq!(refresh.body, ok.body);
        let expires = refresh.headers.get(HeaderName::SessionExpires);
        assert_eq!(expires, Some("200;refresher=uac"));
        agrees(&mut bed, &refresh, 4000);
        bed.expect_silence(AGENT);
        bed.pass(seconds(99));
        bed.expect_silence(CALLER);
        bed.pass(seconds(1));
        refresh = bed.expect(CALLER, "INVITE");
    }
    assert_eq!(bed.remote(Side::Client), before);
    // An answer that comes again gets its ACK again.
    let ok = with_sdp(says(&refresh, 200), "192.0.2.9", 4000);
    for _ in 0..2 {
        bed.receive_message(udp(CALLER), &ok);
        bed.expect(CALLER, "ACK");
    }
}

#[test]
fn media_follow_an_answer_that_says_something_new_and_the_other_side_is_asked_nothing() {
    let mut bed = Bed::new();
    let (_, ok, refresh) = refreshed(&mut bed);
    agrees(&mut bed, &refresh, 4010);
    let moved = bed.remote(Side::Client).map(|remote| remote.rtp);
    assert_eq!(moved, Some("192.0.2.9:4010".parse().unwrap()));
    let agent = bed.remote(Side::Agent).map(|remote| remote.rtp);
    assert_eq!(agent, Some("203.0.113.7:6000".parse().unwrap()));
    bed.expect_silence(AGENT);
    bed.pass(seconds(100));
    let refresh = bed.expect(CALLER, "INVITE");
    assert_eq!(refresh.body, ok.body);
    // One that nobody can read changes nothing, and is acknowledged all the same.
    let mut broken = says(&refresh, 200);
    broken.set_body("application/sdp", "v=0\r\nnonsense");
    bed.receive_message(udp(CALLER), &broken);
    bed.expect(CALLER, "ACK");
    let still = bed.remote(Side::Client).map(|remote| remote.rtp);
    assert_eq!(still, moved);
    assert_eq!(bed.core.live_sessions(), 1);
}

#[test]
fn after_glare_it_is_tried_again_within_the_time_of_who_did_not_choose_the_call_id() {
    let mut bed = Bed::new();
    let (_, ok, mut refresh) = refreshed(&mut bed);
    for _ in 0..20 {
        bed.receive_message(udp(CALLER), &says(&refresh, 491));
        bed.expect(CALLER, "ACK");
        bed.pass(seconds(2));
        refresh = bed.expect(CALLER, "INVITE");
        assert_eq!(refresh.body, ok.body);
    }
    agrees(&mut bed, &refresh, 4000);
}

#[test]
fn an_agent_that_wants_it_is_refreshed_too_and_after_glare_we_wait_longer_than_it() {
    let mut bed = Bed::new();
    let (offer, _) = establish_as(&mut bed, &[]);
    let mut again = with_sdp(from_agent("INVITE", &offer, "anna", 1), "203.0.113.7", 6000);
    for (name, value) in UNABLE {
        again.headers.push(name, value);
    }
    bed.receive_message(udp(AGENT), &again);
    let offered = bed.expect(CALLER, "INVITE");
    let mut agreed = with_sdp(says(&offered, 200), "192.0.2.9", 4000);
    agreed.headers.remove_first(HeaderName::SessionExpires);
    bed.receive_message(udp(CALLER), &agreed);
    bed.expect(CALLER, "ACK");
    let agreed = bed.expect(AGENT, "200");
    let expires = agreed.headers.get(HeaderName::SessionExpires);
    assert_eq!(expires, Some("200;refresher=uas"));
    bed.receive_message(udp(AGENT), &from_agent("ACK", &offer, "anna", 1));
    bed.pass(seconds(100));
    let mut refresh = bed.expect(AGENT, "INVITE");
    for _ in 0..20 {
        assert_eq!(refresh.body, agreed.body);
        bed.receive_message(udp(AGENT), &answer(&refresh, 491, "anna"));
        bed.expect(AGENT, "ACK");
        bed.pass(Duration::from_millis(2099));
        bed.expect_silence(AGENT);
        bed.pass(Duration::from_millis(1901));
        refresh = bed.expect(AGENT, "INVITE");
    }
    bed.expect_silence(CALLER);
}

#[test]
fn offers_that_meet_a_refresh_are_told_to_wait_and_what_offers_nothing_passes() {
    let mut bed = Bed::new();
    let (offer, ok, refresh) = refreshed(&mut bed);
    let again = with_sdp(in_dialog("INVITE", &ok, 2, CALLER), "192.0.2.9", 4020);
    bed.receive_message(udp(CALLER), &again);
    bed.expect(CALLER, "491");
    let again = with_sdp(from_agent("INVITE", &offer, "anna", 1), "203.0.113.7", 6020);
    bed.receive_message(udp(AGENT), &again);
    bed.expect(AGENT, "491");
    let update = with_sdp(from_agent("UPDATE", &offer, "anna", 2), "203.0.113.7", 6020);
    bed.receive_message(udp(AGENT), &update);
    bed.expect(AGENT, "491");
    bed.receive_message(udp(AGENT), &from_agent("INFO", &offer, "anna", 3));
    bed.expect(CALLER, "INFO");
    agrees(&mut bed, &refresh, 4000);
    let again = with_sdp(from_agent("INVITE", &offer, "anna", 4), "203.0.113.7", 6020);
    bed.receive_message(udp(AGENT), &again);
    bed.expect(CALLER, "INVITE");
}

#[test]
fn a_refresh_waits_for_an_exchange_and_then_offers_what_that_has_agreed_on() {
    let mut bed = Bed::new();
    let (offer, ok) = establish_as(&mut bed, &UNABLE);
    bed.pass(seconds(99));
    let again = with_sdp(from_agent("INVITE", &offer, "anna", 1), "203.0.113.7", 6020);
    bed.receive_message(udp(AGENT), &again);
    let offered = bed.expect(CALLER, "INVITE");
    bed.pass(seconds(10));
    let ringing = answer(&offered, 100, "alice");
    bed.receive_message(udp(CALLER), &ringing);
    let waiting = bed.sent_to(CALLER);
    assert!(waiting.iter().all(|it| it.cseq() == offered.cseq()));
    let agreed = with_sdp(says(&offered, 200), "192.0.2.9", 4000);
    bed.receive_message(udp(CALLER), &agreed);
    bed.expect(CALLER, "ACK");
    let agreed = bed.expect(AGENT, "200");
    let mut ack = from_agent("ACK", &offer, "anna", 1);
    ack.headers.set(
        HeaderName::To,
        agreed.headers.get(HeaderName::To).unwrap().to_owned(),
    );
    bed.receive_message(udp(AGENT), &ack);
    bed.pass(seconds(100));
    let refresh = bed.expect(CALLER, "INVITE");
    assert_ne!(refresh.body, ok.body);
    assert_eq!(refresh.body, offered.body);
}

#[test]
fn after_an_offer_that_was_refused_the_old_description_has_a_new_version() {
    let mut bed = Bed::new();
    let (offer, ok) = establish_as(&mut bed, &UNABLE);
    let again = with_sdp(from_agent("INVITE", &offer, "anna", 1), "203.0.113.7", 6020);
    bed.receive_message(udp(AGENT), &again);
    let offered = bed.expect(CALLER, "INVITE");
    bed.receive_message(udp(CALLER), &says(&offered, 488));
    bed.expect(AGENT, "488");
    bed.sent_to(CALLER);
    bed.pass(seconds(100));
    let refresh = bed.expect(CALLER, "INVITE");
    let lines = |message: &Message| {
        let text = String::from_utf8(message.body.to_vec()).unwrap();
        let (origin, rest): (Vec<_>, Vec<_>) = text
            .lines()
            .map(str::to_owned)
            .partition(|line| line.starts_with("o="));
        let version: u64 = origin[0].split(' ').nth(2).unwrap().parse().unwrap();
        (version, rest)
    };
    let ((first, agreed), (refused, _), (now, rest)) =
        (lines(&ok), lines(&offered), lines(&refresh));
    assert_eq!(rest, agreed);
    assert_eq!((refused, now), (first + 1, first + 2));
    agrees(&mut bed, &refresh, 4000);
    bed.pass(seconds(100));
    assert_eq!(bed.expect(CALLER, "INVITE").body, refresh.body);
}

#[test]
fn nobody_there_ends_the_call() {
    for status in [408, 481] {
        let mut bed = Bed::new();
        let (_, _, refresh) = refreshed(&mut bed);
        bed.receive_message(udp(CALLER), &says(&refresh, status));
        assert_over(&mut bed);
    }
    let mut bed = Bed::new();
    refreshed(&mut bed);
    bed.pass(seconds(33));
    assert_over(&mut bed);
    // It rings for ever.
    let mut bed = Bed::new();
    let (_, _, refresh) = refreshed(&mut bed);
    bed.receive_message(udp(CALLER), &says(&refresh, 180));
    bed.pass(seconds(199));
    assert_eq!(bed.core.live_sessions(), 1);
    bed.pass(seconds(2));
    bed.expect(CALLER, "CANCEL");
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn any_other_failure_leaves_the_call_as_it_was_until_the_next_try() {
    for status in [400, 488, 500, 503, 603] {
        let mut bed = Bed::new();
        let (_, ok, refresh) = refreshed(&mut bed);
        bed.receive_message(udp(CALLER), &says(&refresh, status));
        bed.expect(CALLER, "ACK");
        bed.expect_silence(AGENT);
        bed.pass(seconds(50));
        let refresh = bed.expect(CALLER, "INVITE");
        assert_eq!(refresh.body, ok.body, "{status}");
        agrees(&mut bed, &refresh, 4000);
    }
}

#[test]
fn a_longer_interval_is_taken() {
    let mut bed = Bed::new();
    let (_, _, refresh) = refreshed(&mut bed);
    let mut longer = says(&refresh, 422);
    longer.headers.push(HeaderName::MinSe, "3600");
    bed.receive_message(udp(CALLER), &longer);
    bed.pass(seconds(3));
    let refresh = bed.expect(CALLER, "INVITE");
    let expires = refresh.headers.get(HeaderName::SessionExpires);
    assert_eq!(expires, Some("3600;refresher=uac"));
}

#[test]
fn an_answer_that_crosses_a_hang_up_is_acknowledged() {
    let mut bed = Bed::new();
    let (offer, _, refresh) = refreshed(&mut bed);
    bed.receive_message(udp(AGENT), &from_agent("BYE", &offer, "anna", 1));
    let bye = bed.expect(CALLER, "BYE");
    let ok = with_sdp(says(&refresh, 200), "192.0.2.9", 4000);
    bed.receive_message(udp(CALLER), &ok);
    bed.expect(CALLER, "ACK");
    bed.receive_message(udp(CALLER), &says(&bye, 200));
    assert_eq!(bed.core.session_views().len(), 0);
}

#[test]
fn the_next_process_refreshes_by_the_same_description() {
    let mut bed = Bed::new();
    let (_, ok) = establish_as(&mut bed, &UNABLE);
    bed.pass(seconds(50));
    let now = bed.now();
    let left = bed.core.hand_over(now);
    let mut next = bed.next_process();
    next.core.restore(left, false, now);
    next.collect();
    next.pass(seconds(50));
    let refresh = next.expect(CALLER, "INVITE");
    assert_eq!(refresh.body, ok.body);
    agrees(&mut next, &refresh, 4000);
}

#[test]
fn a_call_that_is_not_refreshed_so_hands_no_description_over() {
    for allow in ["INVITE, ACK, BYE, UPDATE", "INVITE, ACK, BYE"] {
        let mut bed = Bed::new();
        let mut asked = UNABLE;
        asked[2].1 = allow;
        establish_as(&mut bed, &asked);
        let left = bed.core.hand_over(bed.now());
        let said = &left.sessions[0].media.said;
        assert_eq!(said.is_none(), allow.contains("UPDATE"));
    }
}
