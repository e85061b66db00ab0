//! Transfers by tunnels (B5): what a tunnel is for, and when it ends.
use crate::carrying::in_envelope;
use crate::support::*;

use patchbay_relay::net::Ending;
use patchbay_route::transfer::{Carrier, TUNNELS};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message};

fn dropped(bed: &Bed, reason: &str) -> u64 {
    let counters = bed.core.gauges().counters;
    let mut drops = counters.drops();
    drops.find(|(name, _)| *name == reason).unwrap().1
}

fn tunnel(number: u64) -> Flow {
    Flow {
        connection: TUNNELS.start + number,
        ..control()
    }
}

// B5
#[test]
fn the_tunnel_of_an_answered_call_ends_when_the_answer_has_arrived() {
    let mut bed = Bed::by(Carrier::Tunnel);
    let offer = offer(&mut bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.pass(std::time::Duration::from_secs(1));
    let repeated = bed.sent_to("10.0.0.2:5070");
    assert!(repeated.iter().all(|again| name(again) == "200") && !repeated.is_empty());
    assert!(bed.ended_tunnels.is_empty(), "the caller may not have it");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    assert_eq!(bed.ended_tunnels, [TUNNELS.start]);
    let now = bed.now();
    bed.core.closed(TUNNELS.start, Ending::Gone, now);
    bed.collect();
    assert_eq!(bed.core.live_sessions(), 1);
    bed.expect_silence(CALLER);
}

// B5: RFC 3261 section 15, who hangs up has heard the answer
#[test]
fn the_tunnel_of_a_call_that_ends_before_its_ack_ends_with_it() {
    let mut bed = Bed::by(Carrier::Tunnel);
    let first = offer(&mut bed);
    let ok = with_sdp(answer(&first, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &ok, 2, CALLER));
    assert_eq!(bed.ended_tunnels, [TUNNELS.start]);
    bed.expect(AGENT, "BYE");

    // Without a word from the caller it ends when nobody waits for the ACK any more.
    let mut bed = Bed::by(Carrier::Tunnel);
    let second = offer(&mut bed);
    let ok = with_sdp(answer(&second, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.pass(std::time::Duration::from_secs(31));
    assert!(bed.ended_tunnels.is_empty());
    bed.pass(std::time::Duration::from_secs(2));
    assert_eq!(bed.ended_tunnels, [TUNNELS.start]);
}

// B5
#[test]
fn a_tunnel_that_breaks_takes_its_offer_back_and_no_other() {
    let mut bed = Bed::by(Carrier::Tunnel);
    let first = offer(&mut bed);
    bed.receive_message(udp(AGENT), &answer(&first, 180, "anna"));
    let mut other = invite();
    other.headers.set(HeaderName::CallId, "other");
    let other = transfer(&other, "o2", bed.now());
    bed.receive_message(control(), &other);
    bed.expect(AGENT, "INVITE");
    let now = bed.now();
    bed.core.closed(TUNNELS.start, Ending::Gone, now);
    bed.collect();
    let cancel = bed.expect(AGENT, "CANCEL");
    assert_eq!(cancel.call_id().unwrap(), first.call_id().unwrap());
    assert_eq!(bed.core.live_sessions(), 1);
}

// B5
#[test]
fn a_tunnel_is_for_one_transfer_and_for_nothing_else() {
    let mut bed = Bed::new();
    let signed = transfer(&invite(), "o1", bed.now());
    let mut in_dialog = signed.clone();
    in_dialog.set_to_tag("somebody");
    let plain = with_via(invite(), "plain");
    let envelope = in_envelope(&signed, "TCP 10.0.0.2:5070", "envelope");
    for (count, message) in (1..).zip([plain, envelope, with_via(in_dialog, "dialog")]) {
        bed.receive_message(tunnel(count), &message);
        bed.expect("10.0.0.2:5070", "400");
        assert_eq!(dropped(&bed, "carried_malformed"), count);
    }
    bed.expect_silence(AGENT);
    bed.receive_message(tunnel(9), &signed);
    bed.expect(AGENT, "INVITE");
    let mut second = invite();
    second.headers.set(HeaderName::CallId, "second");
    let second = transfer(&second, "o2", bed.now());
    bed.receive_message(tunnel(9), &second);
    bed.expect("10.0.0.2:5070", "400");
    bed.expect_silence(AGENT);
    assert_eq!(dropped(&bed, "carried_malformed"), 4);
}

fn with_via(mut message: Message, branch: &str) -> Message {
    let via = format!("SIP/2.0/TCP 10.0.0.2:5070;branch=z9hG4bK{branch}");
    message.headers.push_front(HeaderName::Via, via);
    message
}
