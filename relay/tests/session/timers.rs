//! Session timers: what is agreed on with each side, refreshes, and calls that nobody refreshes. B6.
use crate::support::*;
use patchbay_sip::{HeaderName, Message};
use std::time::Duration;

const ALL: &str = "INVITE, ACK, BYE, CANCEL, UPDATE";

/// A call whose caller's INVITE has these headers, and whose agent's answer has those.
pub fn establish_with(bed: &mut Bed, asked: &[(&str, &str)], answered: &[(&str, &str)]) -> Call {
    let mut first = invite();
    for (name, value) in asked {
        first.headers.push(*name, *value);
    }
    bed.receive_message(udp(CALLER), &first);
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    let mut ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    for (name, value) in answered {
        ok.headers.push(*name, *value);
    }
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect(AGENT, "ACK");
    Call { offer, ok }
}

fn expires(message: &Message) -> Option<&str> {
    message.headers.get(HeaderName::SessionExpires)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_caller_that_stops_refreshing_is_hung_up_and_so_is_the_agent() {
    let mut bed = Bed::new();
    let asked = [("Supported", "timer"), ("Session-Expires", "120")];
    let call = establish_with(&mut bed, &asked, &[]);
    assert_eq!(expires(&call.ok), Some("120;refresher=uac"));
    assert!(call.ok.headers.lists(HeaderName::Require, "timer"));
    bed.pass(seconds(80));
    // A refresh is this leg's own affair.
    let mut update = in_dialog("UPDATE", &call.ok, 2, CALLER);
    for (name, value) in asked {
        update.headers.push(name, value);
    }
    bed.receive_message(udp(CALLER), &update);
    let ok = bed.expect(CALLER, "200");
    assert_eq!(expires(&ok), Some("120;refresher=uac"));
    bed.expect_silence(AGENT);
    // The end comes 32 seconds before the interval is over.
    bed.pass(seconds(87));
    assert_eq!(bed.core.live_sessions(), 1);
    bed.pass(seconds(2));
    assert_eq!(bed.core.live_sessions(), 0);
    bed.expect(CALLER, "BYE");
    bed.expect(AGENT, "BYE");
}

#[test]
fn a_reinvite_refreshes_both_legs() {
    let mut bed = Bed::new();
    let asked = [("Supported", "timer"), ("Session-Expires", "120")];
    let agreed = [
        ("Session-Expires", "1800;refresher=uas"),
        ("Require", "timer"),
    ];
    let call = establish_with(&mut bed, &asked, &agreed);
    bed.pass(seconds(80));
    let mut again = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.9", 4000);
    for (name, value) in asked {
        again.headers.push(name, value);
    }
    bed.receive_message(udp(CALLER), &again);
    let offered = bed.expect(AGENT, "INVITE");
    assert_eq!(expires(&offered), Some("1800;refresher=uas"));
    let ok = with_sdp(answer(&offered, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    let ok = bed.expect(CALLER, "200");
    assert_eq!(expires(&ok), Some("120;refresher=uac"));
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 2, CALLER));
    bed.pass(seconds(80));
    assert_eq!(bed.core.live_sessions(), 1);
}

#[test]
fn the_relay_refreshes_where_the_caller_wants_it_to() {
    let mut bed = Bed::new();
    let asked = [
        ("Supported", "timer"),
        ("Session-Expires", "200;refresher=uas"),
        ("Allow", ALL),
    ];
    let call = establish_with(&mut bed, &asked, &[]);
    assert_eq!(expires(&call.ok), Some("200;refresher=uas"));
    for _ in 0..2 {
        bed.pass(seconds(99));
        bed.expect_silence(CALLER);
        bed.pass(seconds(1));
        let update = bed.expect(CALLER, "UPDATE");
        assert_eq!(expires(&update), Some("200;refresher=uac"));
        let mut ok = answer(&update, 200, "alice");
        let contact = format!("<sip:alice@{CALLER}>");
        ok.headers.set(HeaderName::Contact, contact);
        ok.headers
            .push(HeaderName::SessionExpires, "200;refresher=uac");
        bed.receive_message(udp(CALLER), &ok);
    }
    // Nobody answers: the call is over on both sides.
    bed.pass(seconds(133));
    assert_eq!(bed.core.live_sessions(), 0);
    bed.expect(CALLER, "BYE");
    bed.expect(AGENT, "BYE");
}

#[test]
fn a_caller_without_timer_has_none() {
    let mut bed = Bed::new();
    let call = establish_with(&mut bed, &[], &[]);
    assert_eq!(expires(&call.ok), None);
    assert_eq!(expires(&call.offer), Some("1800;refresher=uas"));
}

#[test]
fn an_interval_that_is_too_small_is_422_either_way() {
    let mut bed = Bed::new();
    let mut short = invite();
    short.headers.push(HeaderName::SessionExpires, "60");
    bed.receive_message(udp(CALLER), &short);
    let refused = bed.expect(CALLER, "422");
    assert_eq!(refused.headers.get(HeaderName::MinSe), Some("90"));

    let mut bed = Bed::new();
    let first = offer(&mut bed);
    let mut longer = answer(&first, 422, "anna");
    longer.headers.push(HeaderName::MinSe, "3600");
    bed.receive_message(udp(AGENT), &longer);
    let again = bed.expect(AGENT, "INVITE");
    assert_eq!(again.cseq().unwrap().number, 2);
    assert_eq!(expires(&again), Some("3600;refresher=uas"));
    assert_eq!(again.headers.get(HeaderName::MinSe), Some("3600"));
    let ok = with_sdp(answer(&again, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    assert_eq!(bed.expect(AGENT, "ACK").cseq().unwrap().number, 2);
    pass_upstream(&mut bed, "200");
    bed.expect(CALLER, "200");
}

#[test]
fn an_agent_that_stops_refreshing_is_hung_up() {
    let mut bed = Bed::new();
    let agreed = [("Session-Expires", "90;refresher=uas")];
    establish_with(&mut bed, &[], &agreed);
    bed.pass(seconds(59));
    assert_eq!(bed.core.live_sessions(), 1);
    bed.pass(seconds(2));
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn a_timer_goes_on_in_the_next_process() {
    let mut bed = Bed::new();
    let asked = [("Supported", "timer"), ("Session-Expires", "120")];
    establish_with(&mut bed, &asked, &[]);
    bed.pass(seconds(50));
    let now = bed.now();
    let left = bed.core.hand_over(now);
    let mut next = bed.next_process();
    next.core.restore(left, false, now);
    next.collect();
    next.pass(seconds(37));
    assert_eq!(next.core.live_sessions(), 1);
    next.pass(seconds(2));
    assert_eq!(next.core.live_sessions(), 0);
}
