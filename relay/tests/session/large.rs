//! Requests that are too large for UDP (RFC 3261 section 18.1.1). A5, B6.
use crate::support::*;
use patchbay_relay::net::Ending;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message, Transport};
use std::time::Duration;

/// A call with a header that no datagram should have to carry.
fn fat_offer(bed: &mut Bed) -> Message {
    let mut fat = invite();
    let note = "long ".repeat(300);
    fat.headers.push(HeaderName::from("X-Note"), note);
    let now = bed.now();
    bed.receive_message(control(), &transfer(&fat, "o1", now));
    bed.expect(AGENT, "INVITE")
}

fn transport(message: &Message) -> String {
    let via = message.headers.get(HeaderName::Via).unwrap();
    via.split(' ').next().unwrap().to_owned()
}

fn over_tcp(bed: &Bed) -> Flow {
    let flow = *bed.connecting.last().unwrap();
    assert_eq!(flow.transport, Transport::Tcp);
    assert_eq!(flow.remote.to_string(), AGENT);
    flow
}

#[test]
fn a_large_invite_goes_over_tcp_and_the_call_goes_on_over_it() {
    let mut bed = Bed::new();
    let offer = fat_offer(&mut bed);
    assert_eq!(transport(&offer), "SIP/2.0/TCP");
    let flow = over_tcp(&bed);
    let mut ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    let contact = format!("<sip:anna@{AGENT};transport=tcp>");
    ok.headers.set(HeaderName::Contact, contact);
    bed.receive_message(flow, &ok);
    bed.expect("10.0.0.2:5070", "200");
    let ack = bed.expect(AGENT, "ACK");
    assert_eq!(transport(&ack), "SIP/2.0/TCP");
    assert_eq!(bed.connecting.len(), 1, "by the same connection");
    assert_eq!(bed.core.gauges().counters.failovers, 0);
}

#[test]
fn a_refused_connection_is_answered_by_udp_and_remembered() {
    let mut bed = Bed::new();
    let first = fat_offer(&mut bed);
    let flow = over_tcp(&bed);
    let now = bed.now();
    bed.core.closed(flow.connection, Ending::Gone, now);
    bed.collect();
    let second = bed.expect(AGENT, "INVITE");
    assert_eq!(transport(&second), "SIP/2.0/UDP");
    for name in [HeaderName::CallId, HeaderName::CSeq, HeaderName::Contact] {
        assert_eq!(
            first.headers.get(name.clone()),
            second.headers.get(name.clone())
        );
    }
    assert_eq!(first.body, second.body);
    let busy = answer(&second, 486, "anna");
    bed.receive_message(udp(AGENT), &busy);
    bed.expect("10.0.0.2:5070", "486");
    let third = fat_offer_again(&mut bed);
    assert_eq!(transport(&third), "SIP/2.0/UDP");
    assert_eq!(bed.connecting.len(), 1);
}

fn fat_offer_again(bed: &mut Bed) -> Message {
    let mut fat = invite();
    fat.headers.set(HeaderName::CallId, "another");
    let note = "long ".repeat(300);
    fat.headers.push(HeaderName::from("X-Note"), note);
    let now = bed.now();
    bed.receive_message(control(), &transfer(&fat, "o2", now));
    bed.expect(AGENT, "INVITE")
}

#[test]
fn a_silent_connection_is_left_for_udp_and_an_answer_on_it_ends_there() {
    let mut bed = Bed::new();
    let first = fat_offer(&mut bed);
    bed.pass(Duration::from_secs(4));
    let second = bed.expect(AGENT, "INVITE");
    assert_eq!(transport(&second), "SIP/2.0/UDP");
    // A phone that takes both tells the second that it has the first (RFC 3261 section 8.2.2.2).
    let flow = over_tcp(&bed);
    bed.receive_message(flow, &answer(&first, 486, "anna"));
    assert_eq!(bed.core.live_sessions(), 1);
    bed.receive_message(udp(AGENT), &answer(&second, 486, "anna"));
    bed.expect("10.0.0.2:5070", "486");
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn small_ones_and_those_to_a_party_behind_a_translator_stay_on_udp() {
    let mut bed = Bed::new();
    let ok = establish(&mut bed).ok;
    assert!(bed.connecting.is_empty());
    let fat = |mut message: Message| {
        let note = "long ".repeat(300);
        message.headers.push(HeaderName::from("X-Note"), note);
        message
    };
    let info = fat(in_dialog("INFO", &ok, 2, CALLER));
    bed.receive_message(udp(CALLER), &info);
    let info = bed.expect(AGENT, "INFO");
    assert_eq!(transport(&info), "SIP/2.0/TCP");
    let mut off = Bed::with(|config| config.large_over_tcp = false);
    let offer = fat_offer(&mut off);
    assert_eq!(transport(&offer), "SIP/2.0/UDP");

    // The caller's Via names another address than its packets come from.
    let mut bed = Bed::new();
    let outside = "192.0.2.200:33333";
    bed.receive_message(udp(outside), &invite());
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(outside, "200");
    bed.receive_message(udp(outside), &in_dialog("ACK", &ok, 1, CALLER));
    let info = fat(from_agent("INFO", &offer, "anna", 7));
    bed.receive_message(udp(AGENT), &info);
    let info = bed.expect(outside, "INFO");
    assert_eq!(transport(&info), "SIP/2.0/UDP");
    assert!(bed.connecting.is_empty());
}

#[test]
fn a_large_ack_goes_over_tcp_and_over_udp_when_it_is_missed() {
    let mut bed = Bed::new();
    // The offer is the agent's, so that the caller's ACK carries the answer.
    let mut empty = invite();
    empty.body = Default::default();
    empty.headers.remove(HeaderName::ContentType);
    bed.receive_message(udp(CALLER), &empty);
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    let taken = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &taken);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    let lines = format!("a=note:{}\r\n", "long ".repeat(300));
    let ack = in_dialog("ACK", &ok, 1, CALLER);
    bed.receive_message(udp(CALLER), &with_lines(ack, "192.0.2.9", 4000, &lines));
    let ack = bed.expect(AGENT, "ACK");
    assert_eq!(transport(&ack), "SIP/2.0/TCP");
    bed.receive_message(udp(AGENT), &taken);
    let ack = bed.expect(AGENT, "ACK");
    assert_eq!(transport(&ack), "SIP/2.0/UDP");
}

#[test]
fn a_phone_that_is_busy_over_tcp_is_not_asked_again_over_udp() {
    let mut bed = Bed::new();
    let offer = fat_offer(&mut bed);
    let flow = over_tcp(&bed);
    bed.receive_message(flow, &answer(&offer, 503, "anna"));
    let sent: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert_eq!(sent, ["ACK"]);
    bed.expect("10.0.0.2:5070", "503");
    assert_eq!(bed.core.live_sessions(), 0);
}
