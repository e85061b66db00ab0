//! Requests inside a call do not overtake the answer that made it (B6).
use crate::support::*;

use std::time::Duration;

/// Anna has answered, and has her ACK; the caller's 200 is on its way by control.
fn answered(bed: &mut Bed) -> patchbay_sip::Message {
    let offer = offer(bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(AGENT, "ACK");
    offer
}

/// The caller has its 200.
fn heard(bed: &mut Bed) -> patchbay_sip::Message {
    pass_upstream(bed, "200");
    bed.expect(CALLER, "200")
}

// B6: RFC 3261 section 13.2.2.4, the dialog is the caller's with its 200
#[test]
fn what_the_agent_asks_at_once_waits_for_the_callers_ack() {
    let mut bed = Bed::new();
    let offer = answered(&mut bed);
    bed.receive_message(udp(AGENT), &from_agent("INFO", &offer, "anna", 1));
    let hold = with_sdp(from_agent("INVITE", &offer, "anna", 2), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &hold);
    bed.expect_silence(CALLER);
    let ok = heard(&mut bed);
    bed.expect_silence(CALLER);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    let all = bed.sent_to(CALLER);
    let names: Vec<_> = all.iter().map(name).collect();
    assert_eq!(names, ["INFO", "INVITE"], "in their order");
    bed.receive_message(udp(CALLER), &answer(&all[0], 200, "alice"));
    let ok = with_sdp(answer(&all[1], 200, "alice"), "192.0.2.9", 4000);
    bed.receive_message(udp(CALLER), &ok);
    let names: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(
        names.iter().filter(|name| *name == "200").count(),
        2,
        "{names:?}"
    );
}

// B6
#[test]
fn a_bye_overtakes_what_waits_and_that_gets_481() {
    let mut bed = Bed::new();
    let offer = answered(&mut bed);
    bed.receive_message(udp(AGENT), &from_agent("INFO", &offer, "anna", 1));
    bed.receive_message(udp(AGENT), &from_agent("BYE", &offer, "anna", 2));
    let names: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(names, ["200", "481"]);
    let ok = heard(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect(CALLER, "BYE");
}

// B6: RFC 3261 section 9.2
#[test]
fn a_reinvite_that_waits_can_be_taken_back() {
    let mut bed = Bed::new();
    let offer = answered(&mut bed);
    let hold = with_sdp(from_agent("INVITE", &offer, "anna", 1), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &hold);
    let mut cancel = from_agent("CANCEL", &offer, "anna", 1);
    let via = hold.headers.get("Via").unwrap().to_owned();
    cancel.headers.set("Via", via);
    bed.receive_message(udp(AGENT), &cancel);
    let names: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(names, ["200", "487"]);
    let ok = heard(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect_silence(CALLER);
    assert_eq!(bed.core.live_sessions(), 1);
}

// B6
#[test]
fn who_waits_for_an_ack_that_never_comes_is_told_so() {
    let mut bed = Bed::new();
    let offer = answered(&mut bed);
    // What asks later is not given up before the ACK is.
    bed.pass(Duration::from_secs(10));
    for number in 1..20 {
        bed.receive_message(udp(AGENT), &from_agent("INFO", &offer, "anna", number));
    }
    let refused: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(refused, ["503", "503", "503"], "sixteen wait at most");
    bed.pass(Duration::from_secs(23));
    let names: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(names.iter().filter(|name| *name == "481").count(), 16);
    assert_eq!(bed.core.live_sessions(), 0);
    bed.pass(Duration::from_secs(60));
    assert_eq!(bed.core.gauges().transactions, 0);
}
