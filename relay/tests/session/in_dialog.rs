//! Requests inside an established call: re-INVITE, INFO, lost ACK, wrong dialogs. B6.
use crate::support::*;

use patchbay_relay::engine::Side;
use patchbay_sip::HeaderName;
use std::time::Duration;

#[test]
fn a_reinvite_moves_the_medium_and_shows_only_the_relay() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let again = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.50", 4444);
    bed.receive_message(udp(CALLER), &again);
    let offered = bed.expect(AGENT, "INVITE");
    assert_hides(&offered, &["192.0.2."]);
    let ok = with_sdp(answer(&offered, 200, "anna"), "203.0.113.8", 6600);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(AGENT, "ACK");
    let answered = bed.expect(CALLER, "200");
    assert_hides(&answered, &["203.0.113."]);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &call.ok, 2, CALLER));
    let told = bed.media.lock().unwrap();
    assert_eq!(told.open.len(), 1, "the same ports serve on");
    let row = told.open.values().next().unwrap();
    assert_eq!(
        row[Side::Client.index()],
        Some("192.0.2.50:4444".parse().unwrap())
    );
    assert_eq!(
        row[Side::Agent.index()],
        Some("203.0.113.8:6600".parse().unwrap())
    );
}

#[test]
fn a_refused_reinvite_changes_nothing() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let hold = with_sdp(
        from_agent("INVITE", &call.offer, "anna", 1),
        "203.0.113.9",
        6800,
    );
    bed.receive_message(udp(AGENT), &hold);
    let offered = bed.expect(CALLER, "INVITE");
    bed.receive_message(udp(CALLER), &answer(&offered, 488, "alice"));
    bed.expect(CALLER, "ACK");
    bed.expect(AGENT, "488");
    let told = bed.media.lock().unwrap();
    let row = told.open.values().next().unwrap();
    assert_eq!(
        row[Side::Agent.index()],
        Some("203.0.113.7:6000".parse().unwrap())
    );
}

#[test]
fn a_second_reinvite_while_one_is_pending_is_491() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let first = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.9", 4000);
    bed.receive_message(udp(CALLER), &first);
    bed.expect(AGENT, "INVITE");
    let glare = with_sdp(
        from_agent("INVITE", &call.offer, "anna", 1),
        "203.0.113.7",
        6000,
    );
    bed.receive_message(udp(AGENT), &glare);
    bed.expect(AGENT, "491");
}

#[test]
fn an_offer_in_the_answer_reaches_the_other_side_through_the_ack() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("INVITE", &call.ok, 2, CALLER));
    let asked = bed.expect(AGENT, "INVITE");
    assert!(asked.body.is_empty());
    let ok = with_sdp(answer(&asked, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect_silence(AGENT);
    bed.expect(CALLER, "200");
    let ack = with_sdp(in_dialog("ACK", &call.ok, 2, CALLER), "192.0.2.9", 4002);
    bed.receive_message(udp(CALLER), &ack);
    let ack = bed.expect(AGENT, "ACK");
    assert!(!ack.body.is_empty());
    assert_hides(&ack, &["192.0.2.9"]);
}

#[test]
fn an_agent_that_missed_our_ack_gets_it_again() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let ok = with_sdp(answer(&call.offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(AGENT, "ACK");
}

#[test]
fn a_second_phone_that_answers_is_hung_up() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let fork = with_sdp(answer(&call.offer, 200, "fork"), "203.0.113.77", 7000);
    bed.receive_message(udp(AGENT), &fork);
    let names: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(names, ["ACK", "BYE"]);
}

#[test]
fn info_passes_both_ways_and_its_answer_back() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let mut info = in_dialog("INFO", &call.ok, 2, CALLER);
    info.set_body("application/dtmf-relay", "Signal=5\r\n".as_bytes().to_vec());
    bed.receive_message(udp(CALLER), &info);
    let passed = bed.expect(AGENT, "INFO");
    assert_eq!(&passed.body[..], b"Signal=5\r\n");
    assert_hides(&passed, &["192.0.2.9"]);
    bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
    bed.expect(CALLER, "200");
    bed.receive_message(udp(AGENT), &from_agent("INFO", &call.offer, "anna", 1));
    let passed = bed.expect(CALLER, "INFO");
    bed.receive_message(udp(CALLER), &answer(&passed, 415, "alice"));
    bed.expect(AGENT, "415");
}

#[test]
fn who_does_not_belong_to_the_dialog_gets_481() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let mut bye = in_dialog("BYE", &call.ok, 2, "192.0.2.66:5060");
    bye.headers
        .set(HeaderName::From, "<sip:mallory@192.0.2.66>;tag=mallory");
    bed.receive_message(udp("192.0.2.66:5060"), &bye);
    bed.expect("192.0.2.66:5060", "481");
    let mut other = in_dialog("BYE", &call.ok, 3, "192.0.2.66:5060");
    other.headers.set(HeaderName::CallId, "other");
    bed.receive_message(udp("192.0.2.66:5060"), &other);
    bed.expect("192.0.2.66:5060", "481");
    assert_eq!(bed.core.live_sessions(), 1);
    bed.pass(Duration::from_secs(60));
    assert_eq!(bed.core.live_sessions(), 1);
}

// B7
#[test]
fn a_reinvite_over_another_network_moves_where_media_may_come_from() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let from = |bed: &Bed| bed.remote(Side::Client).unwrap().signalled_from.to_string();
    assert_eq!(from(&bed), "192.0.2.9");
    // The same description, with an address that is its own network's, over another one.
    let mobile = "198.51.100.77:7070";
    let again = with_sdp(in_dialog("INVITE", &call.ok, 2, mobile), "192.0.2.9", 4000);
    bed.receive_message(udp(mobile), &again);
    let offered = bed.expect(AGENT, "INVITE");
    assert_hides(&offered, &["192.0.2.", "198.51.100.77"]);
    let ok = with_sdp(answer(&offered, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(mobile, "200");
    assert_eq!(from(&bed), "198.51.100.77");
    // Somebody else who only knows the Call-ID moves nothing.
    let mut forged = with_sdp(in_dialog("INVITE", &call.ok, 3, CALLER), "192.0.2.66", 4000);
    forged
        .headers
        .set(HeaderName::From, "<sip:mallory@192.0.2.66>;tag=mallory");
    bed.receive_message(udp("192.0.2.66:5060"), &forged);
    bed.expect("192.0.2.66:5060", "481");
    assert_eq!(from(&bed), "198.51.100.77");
}
