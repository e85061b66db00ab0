//! Agents and phones that are called by a name with several places (RFC 3263 section 4.3). A5, B6.
use crate::support::*;
use patchbay_relay::locate::{Candidate, MAX_LOOKUPS, Seeker};
use patchbay_relay::net::Ending;
use patchbay_sip::{HeaderName, Message, Transport};
use std::time::Duration;

const TO_CONTROL: &str = "10.0.0.2:5070";
/// Two more hosts that the agent's name leads to.
const SECOND: &str = "203.0.113.8:5060";
const THIRD: &str = "203.0.113.9:5060";
const AFTER: Duration = Duration::from_secs(4);

fn places(transport: Transport, addresses: &[&str]) -> Vec<Candidate> {
    let place = |address: &&str| Candidate {
        transport,
        address: address.parse().unwrap(),
    };
    addresses.iter().map(place).collect()
}

fn udp_places(addresses: &[&str]) -> Vec<Candidate> {
    places(Transport::Udp, addresses)
}

/// A call is transferred to an agent by name; DNS has not answered yet.
fn asked(bed: &mut Bed, offer: &str) {
    let mut call = invite();
    call.headers
        .set(HeaderName::CallId, format!("call-{offer}"));
    let now = bed.now();
    let transferred = transfer_to(&call, (offer, "sip:anna@desk.example"), now);
    bed.receive_message(control(), &transferred);
}

/// DNS answers the oldest question.
fn located(bed: &mut Bed, places: Vec<Candidate>) {
    let inquiry = bed.inquiries.remove(0);
    let now = bed.now();
    bed.core.located(&inquiry, places, now);
    bed.collect();
}

fn called(bed: &mut Bed, offer: &str, places: Vec<Candidate>) {
    asked(bed, offer);
    located(bed, places);
}

fn branch(message: &Message) -> String {
    let via = message.top_via().unwrap();
    via.branch().unwrap().to_string()
}

#[test]
fn what_is_asked_is_what_the_uri_says() {
    let mut bed = Bed::new();
    asked(&mut bed, "o1");
    let inquiry = bed.inquiries.first().unwrap();
    assert_eq!(inquiry.seeker, Seeker::Offer);
    assert_eq!(inquiry.wanted.host, "desk.example");
    assert_eq!(inquiry.wanted.port, None);
    assert_eq!(inquiry.spoken.0.len(), 2, "UDP and TCP over IPv4");
    located(&mut bed, Vec::new());
    bed.expect(TO_CONTROL, "404");
    assert_eq!(bed.core.gauges().lookups, 0);
}

#[test]
fn a_place_that_is_silent_is_left_for_the_next_in_a_transaction_of_its_own() {
    let mut bed = Bed::new();
    called(&mut bed, "o1", udp_places(&[SECOND, AGENT]));
    let first = bed.expect(SECOND, "INVITE");
    bed.expect_silence(AGENT);
    bed.pass(AFTER);
    let second = bed.expect(AGENT, "INVITE");
    assert_ne!(branch(&first), branch(&second));
    for name in [
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::From,
        HeaderName::Contact,
    ] {
        assert_eq!(
            first.headers.get(name.clone()),
            second.headers.get(name.clone()),
            "{name}"
        );
    }
    let audio = |invite: &Message| {
        let body = String::from_utf8_lossy(&invite.body).into_owned();
        let line = body.lines().find(|line| line.starts_with("m="));
        line.unwrap().to_owned()
    };
    assert_eq!(audio(&first), audio(&second), "the same media");
    bed.receive_message(udp(AGENT), &answer(&second, 180, "anna"));
    bed.expect(TO_CONTROL, "180");
    let gauges = bed.core.gauges();
    assert_eq!((gauges.counters.failovers, gauges.avoided_places), (1, 1));

    // The next call does not wait for it.
    called(&mut bed, "o2", udp_places(&[SECOND, AGENT]));
    bed.expect(AGENT, "INVITE");
}

#[test]
fn a_place_that_was_left_and_answers_late_is_told_so() {
    let mut bed = Bed::new();
    called(&mut bed, "o1", udp_places(&[SECOND, AGENT]));
    let first = bed.expect(SECOND, "INVITE");
    bed.pass(AFTER);
    let second = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&second, 180, "anna"));
    // Its first word gets the CANCEL that had to wait for it (RFC 3261 section 9.1).
    bed.receive_message(udp(SECOND), &answer(&first, 180, "late"));
    bed.expect(SECOND, "CANCEL");
    // It answers all the same: that call ends, the other one does not.
    let mut ok = with_sdp(answer(&first, 200, "late"), "203.0.113.8", 6000);
    ok.headers
        .set(HeaderName::Contact, format!("<sip:anna@{SECOND}>"));
    bed.receive_message(udp(SECOND), &ok);
    let to_second: Vec<_> = bed.sent_to(SECOND).iter().map(name).collect();
    assert_eq!(to_second, ["ACK", "BYE"]);
    let ok = with_sdp(answer(&second, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(TO_CONTROL, "200");
    bed.expect(AGENT, "ACK");
    assert_eq!(bed.core.live_sessions(), 1);
}

#[test]
fn a_place_that_is_busy_or_refuses_the_connection_is_left_at_once() {
    let mut bed = Bed::new();
    let mut all = places(Transport::Tcp, &[THIRD]);
    all.extend(udp_places(&[SECOND, AGENT]));
    called(&mut bed, "o1", all);
    let flow = bed.connecting.pop().unwrap();
    let over_tcp = bed.expect(THIRD, "INVITE");
    let contact = over_tcp.headers.get(HeaderName::Contact).unwrap();
    assert!(contact.contains("transport=tcp"), "{contact}");
    let now = bed.now();
    bed.core.closed(flow.connection, Ending::Gone, now);
    bed.collect();
    let over_udp = bed.expect(SECOND, "INVITE");
    let contact = over_udp.headers.get(HeaderName::Contact).unwrap();
    assert!(!contact.contains("transport"), "{contact}");
    let mut busy = answer(&over_udp, 503, "busy");
    busy.headers.push(HeaderName::RetryAfter, "120 (later)");
    bed.receive_message(udp(SECOND), &busy);
    bed.expect(SECOND, "ACK");
    let last = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&last, 486, "anna"));
    bed.expect(TO_CONTROL, "486");
    assert_eq!(bed.core.live_sessions(), 0);

    // 61 s later only the one that asked for more is still left for the others.
    bed.pass(Duration::from_secs(61));
    called(&mut bed, "o2", udp_places(&[SECOND, AGENT]));
    bed.expect_silence(SECOND);
    bed.expect(AGENT, "INVITE");
}

#[test]
fn a_place_that_rings_is_not_left() {
    let mut bed = Bed::new();
    called(&mut bed, "o1", udp_places(&[SECOND, AGENT]));
    let first = bed.expect(SECOND, "INVITE");
    bed.receive_message(udp(SECOND), &answer(&first, 100, ""));
    bed.pass(Duration::from_secs(30));
    bed.expect_silence(AGENT);
}

#[test]
fn the_caller_who_gives_up_cancels_every_place() {
    let mut bed = Bed::new();
    called(&mut bed, "o1", udp_places(&[SECOND, AGENT]));
    let first = bed.expect(SECOND, "INVITE");
    bed.pass(AFTER);
    let second = bed.expect(AGENT, "INVITE");
    let now = bed.now();
    bed.core.closed(CONTROL, Ending::Gone, now);
    bed.collect();
    for (at, invite) in [(SECOND, first), (AGENT, second)] {
        bed.receive_message(udp(at), &answer(&invite, 180, "late"));
        let cancel = bed.expect(at, "CANCEL");
        bed.receive_message(udp(at), &answer(&cancel, 200, "late"));
        bed.receive_message(udp(at), &answer(&invite, 487, "late"));
        bed.expect(at, "ACK");
    }
    bed.pass(Duration::from_secs(60));
    assert!(bed.core.gauges().transactions == 0);
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn all_places_silent_is_a_time_out() {
    let mut bed = Bed::new();
    called(&mut bed, "o1", udp_places(&[SECOND, THIRD]));
    bed.pass(AFTER + Duration::from_secs(33));
    bed.expect(SECOND, "INVITE");
    bed.expect(THIRD, "INVITE");
    bed.expect(TO_CONTROL, "408");
    assert_eq!(bed.core.live_sessions(), 0);
}

/// An agent that answered from [`AGENT`] and has a name in its Contact.
fn established_by_name(bed: &mut Bed) -> Message {
    let offer = offer(bed);
    let mut ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    ok.headers
        .set(HeaderName::Contact, "<sip:anna@moved.example>");
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect(AGENT, "ACK");
    ok
}

#[test]
fn requests_in_a_dialog_go_where_the_name_in_it_leads() {
    let mut bed = Bed::new();
    let ok = established_by_name(&mut bed);
    let inquiry = bed.inquiries.first().unwrap();
    assert_eq!(inquiry.wanted.host, "moved.example");
    // Until DNS has answered, the phone is reached where it was heard from.
    bed.receive_message(udp(CALLER), &in_dialog("INFO", &ok, 2, CALLER));
    let info = bed.expect(AGENT, "INFO");
    bed.receive_message(udp(AGENT), &answer(&info, 200, "anna"));
    bed.expect(CALLER, "200");

    located(&mut bed, udp_places(&[SECOND, THIRD]));
    bed.receive_message(udp(CALLER), &in_dialog("INFO", &ok, 3, CALLER));
    let first = bed.expect(SECOND, "INFO");
    bed.pass(AFTER);
    let second = bed.expect(THIRD, "INFO");
    assert_ne!(branch(&first), branch(&second));
    assert_eq!(
        first.headers.get(HeaderName::CSeq),
        second.headers.get(HeaderName::CSeq)
    );
    bed.receive_message(udp(THIRD), &answer(&second, 200, "anna"));
    bed.expect(CALLER, "200");

    // A re-INVITE goes to the place that works, and when that fails to the one heard first.
    let reinvite = with_sdp(in_dialog("INVITE", &ok, 4, CALLER), "192.0.2.9", 4002);
    bed.receive_message(udp(CALLER), &reinvite);
    let at_third = bed.expect(THIRD, "INVITE");
    let mut busy = answer(&at_third, 503, "anna");
    busy.headers.push(HeaderName::RetryAfter, "7");
    bed.receive_message(udp(THIRD), &busy);
    bed.expect(THIRD, "ACK");
    let at_agent = bed.expect(AGENT, "INVITE");
    let mut taken = with_sdp(answer(&at_agent, 200, "anna"), "203.0.113.7", 6000);
    taken
        .headers
        .set(HeaderName::Contact, "<sip:anna@moved.example>");
    bed.receive_message(udp(AGENT), &taken);
    bed.expect(CALLER, "200");
    bed.expect(AGENT, "ACK");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 4, CALLER));

    bed.receive_message(udp(CALLER), &in_dialog("BYE", &ok, 5, CALLER));
    bed.expect(AGENT, "BYE");
    assert!(bed.inquiries.is_empty(), "asked once");
}

#[test]
fn a_name_is_asked_for_again_when_it_is_old() {
    let mut bed = Bed::with(|config| config.media_timeout = Duration::from_secs(1000));
    let ok = established_by_name(&mut bed);
    located(&mut bed, udp_places(&[SECOND, THIRD]));
    bed.pass(Duration::from_secs(290));
    assert!(bed.inquiries.is_empty());
    bed.pass(Duration::from_secs(30));
    assert_eq!(bed.inquiries.len(), 1);
    // It leads nowhere any more: what was known still counts.
    located(&mut bed, Vec::new());
    bed.receive_message(udp(CALLER), &in_dialog("INFO", &ok, 2, CALLER));
    bed.expect(SECOND, "INFO");
}

#[test]
fn no_more_names_are_looked_up_than_the_limit() {
    let mut bed = Bed::with(|config| config.max_sessions = 2 * MAX_LOOKUPS);
    for number in 0..=MAX_LOOKUPS {
        asked(&mut bed, &format!("o{number}"));
    }
    assert_eq!(bed.inquiries.len(), MAX_LOOKUPS);
    let refused = bed.expect(TO_CONTROL, "503");
    assert!(refused.headers.contains(HeaderName::RetryAfter));
    let drops: Vec<_> = bed.core.gauges().counters.drops().collect();
    assert!(drops.contains(&("lookups_full", 1)), "{drops:?}");
    // An answer for a call that is gone frees its place too.
    let now = bed.now();
    bed.core.end_all(now);
    located(&mut bed, udp_places(&[AGENT]));
    assert_eq!(bed.core.gauges().lookups, MAX_LOOKUPS - 1);
    bed.expect_silence(AGENT);
}
