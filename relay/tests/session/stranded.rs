//! Control is gone while callers wait: their edge keeps them, and brings them to the next control node with
//! the places that the last one told. A4, G1.
use crate::standing::{anna_answers, of_control, offer_joining_as, wait_in_place};
use crate::support::*;
use patchbay_relay::net::Ending;
use patchbay_route::place::{KEPT_FOR, MAX_PLACE_BYTES, MAX_TRIES};
use patchbay_route::session::{EndCause, SessionEvent};
use patchbay_route::transfer::SAY_TYPE;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message};
use std::time::Duration;

const CONTROL_SIP: &str = "10.0.0.2:5070";
const SECOND: Duration = Duration::from_secs(1);

/// The INVITE of another caller at the same phone.
fn invite_of(name: &str) -> Message {
    let mut invite = invite();
    let via = format!("SIP/2.0/UDP {CALLER};branch=z9hG4bK{name};rport");
    invite.headers.set(HeaderName::Via, via);
    invite.headers.set(HeaderName::CallId, name);
    invite
}

fn cancel_of(name: &str) -> Message {
    let invite = invite_of(name);
    let mut cancel = Message::request("CANCEL".into(), invite.uri().unwrap());
    for header in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        let value = invite.headers.get(header.clone()).unwrap();
        cancel.headers.push(header, value);
    }
    cancel.headers.push(HeaderName::CSeq, "1 CANCEL");
    cancel
}

/// A caller who waits, with the INVITE that control got.
fn waits(bed: &mut Bed, name: &str, place: &str) -> Message {
    bed.receive_message(udp(CALLER), &invite_of(name));
    let forwarded = bed.expect(CONTROL_SIP, "INVITE");
    bed.receive_message(control(), &answer(&forwarded, 182, "control"));
    bed.receive_message(control(), &trying(&forwarded, place));
    bed.expect(CALLER, "182");
    forwarded
}

/// What control tells of a place.
fn trying(forwarded: &Message, place: &str) -> Message {
    let mut trying = Message::response_to(forwarded, 100, "");
    trying.headers.push(HeaderName::PatchbayPlace, place);
    trying
}

fn lost(bed: &mut Bed) {
    let now = bed.now();
    bed.core.closed(CONTROL, Ending::Gone, now);
    bed.collect();
}

fn back(bed: &mut Bed) {
    let now = bed.now();
    bed.core.control_up(control(), now);
    bed.collect();
}

/// Call-IDs and places of the INVITEs that control got, in their order.
fn brought(bed: &mut Bed) -> Vec<(String, String)> {
    let sent = bed.sent_to(CONTROL_SIP);
    let invites = sent.iter().filter(|message| name(message) == "INVITE");
    let of = |invite: &Message| {
        let place = invite.headers.get(HeaderName::PatchbayPlace);
        (invite.call_id().unwrap().into(), place.unwrap().into())
    };
    invites.map(of).collect()
}

fn pair(call: &str, place: &str) -> (String, String) {
    (call.into(), place.into())
}

#[test]
fn those_who_wait_are_brought_in_their_order_with_their_places() {
    let mut bed = Bed::new();
    for number in 1..=20 {
        waits(
            &mut bed,
            &format!("call{number}"),
            &format!("place{number}"),
        );
    }
    lost(&mut bed);
    bed.pass(SECOND);
    bed.expect_silence(CALLER);
    assert_eq!(bed.core.gauges().waiting_callers, 20);
    back(&mut bed);
    let wanted = (1..=20).map(|number| pair(&format!("call{number}"), &format!("place{number}")));
    assert_eq!(brought(&mut bed), Vec::from_iter(wanted));
    bed.expect_silence(CALLER);
    let counters = bed.core.gauges().counters;
    assert_eq!((counters.stranded, counters.brought), (20, 20));
}

#[test]
fn the_place_that_was_told_last_counts_and_nobody_else_sees_it() {
    let mut bed = Bed::new();
    let mut call = invite_of("call");
    call.headers.push(HeaderName::PatchbayPlace, "my own");
    bed.receive_message(udp(CALLER), &call);
    let forwarded = bed.expect(CONTROL_SIP, "INVITE");
    assert!(!forwarded.headers.contains(HeaderName::PatchbayPlace));
    bed.receive_message(control(), &trying(&forwarded, "first"));
    let mut progress = answer(&forwarded, 182, "control");
    progress.headers.push(HeaderName::PatchbayPlace, "second");
    bed.receive_message(control(), &progress);
    let seen = bed.expect(CALLER, "182");
    assert!(!seen.headers.contains(HeaderName::PatchbayPlace));
    let long = "x".repeat(MAX_PLACE_BYTES + 1);
    bed.receive_message(control(), &trying(&forwarded, &long));
    lost(&mut bed);
    back(&mut bed);
    assert_eq!(brought(&mut bed), [pair("call", "second")]);
}

#[test]
fn one_without_a_place_is_brought_as_a_new_one() {
    let mut bed = Bed::new();
    bed.receive_message(udp(CALLER), &invite_of("call"));
    bed.expect(CONTROL_SIP, "INVITE");
    lost(&mut bed);
    back(&mut bed);
    assert_eq!(brought(&mut bed), [pair("call", "none")]);
}

#[test]
fn what_control_nodes_do_not_survive_is_not_sent_for_ever() {
    let mut bed = Bed::new();
    waits(&mut bed, "good", "place");
    bed.receive_message(udp(CALLER), &invite_of("bad"));
    bed.expect(CONTROL_SIP, "INVITE");
    for _ in 0..MAX_TRIES {
        lost(&mut bed);
        bed.expect_silence(CALLER);
        back(&mut bed);
        let sent = bed.sent_to(CONTROL_SIP);
        assert_eq!(sent.len(), 2);
        bed.receive_message(control(), &answer(&sent[0], 182, "next"));
        bed.receive_message(control(), &Message::response_to(&sent[1], 100, ""));
        bed.expect(CALLER, "182");
    }
    lost(&mut bed);
    let refused = bed.expect(CALLER, "503");
    assert_eq!(refused.call_id().unwrap(), "bad");
    back(&mut bed);
    assert_eq!(brought(&mut bed), [pair("good", "place")]);
}

#[test]
fn who_hangs_up_meanwhile_is_told_so_and_not_brought() {
    let mut bed = Bed::new();
    waits(&mut bed, "stays", "first");
    waits(&mut bed, "leaves", "second");
    lost(&mut bed);
    bed.receive_message(udp(CALLER), &cancel_of("leaves"));
    bed.expect(CALLER, "487");
    back(&mut bed);
    assert_eq!(brought(&mut bed), [pair("stays", "first")]);
}

#[test]
fn one_who_has_hung_up_before_is_not_brought_either() {
    let mut bed = Bed::new();
    waits(&mut bed, "leaves", "place");
    bed.receive_message(udp(CALLER), &cancel_of("leaves"));
    bed.expect(CONTROL_SIP, "CANCEL");
    lost(&mut bed);
    bed.expect(CALLER, "487");
    back(&mut bed);
    assert_eq!(brought(&mut bed), []);
}

#[test]
fn nobody_is_kept_for_longer_than_is_said() {
    let mut bed = Bed::new();
    waits(&mut bed, "call", "place");
    lost(&mut bed);
    bed.pass(KEPT_FOR - SECOND);
    bed.expect_silence(CALLER);
    bed.pass(SECOND);
    let refused = bed.expect(CALLER, "503");
    assert_eq!(refused.headers.get(HeaderName::RetryAfter), Some("5"));
    back(&mut bed);
    assert_eq!(brought(&mut bed), []);
    assert_eq!(bed.core.gauges().waiting_callers, 0);
}

#[test]
fn a_relay_that_goes_down_tells_those_whom_it_keeps() {
    let mut bed = Bed::new();
    waits(&mut bed, "call", "place");
    lost(&mut bed);
    let now = bed.now();
    bed.core.end_all(now);
    bed.collect();
    bed.expect(CALLER, "503");
}

#[test]
fn an_answer_that_its_caller_has_not_heard_is_void() {
    let mut bed = Bed::new();
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect(CONTROL_SIP, "INVITE");
    bed.receive_message(control(), &trying(&forwarded, "place"));
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(CONTROL_SIP, "200");
    bed.expect(AGENT, "ACK");
    lost(&mut bed);
    bed.expect(AGENT, "BYE");
    let ended = bed.events.iter().find_map(|event| match event {
        SessionEvent::Ended(ended) => Some(ended.cause),
        _ => None,
    });
    assert_eq!(ended, Some(EndCause::Unreachable));
    back(&mut bed);
    let again = brought(&mut bed);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1, "place");
}

#[test]
fn a_phone_that_rings_stops_and_the_caller_waits_on() {
    let mut bed = Bed::new();
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect(CONTROL_SIP, "INVITE");
    bed.receive_message(control(), &trying(&forwarded, "place"));
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    bed.expect(CONTROL_SIP, "180");
    lost(&mut bed);
    bed.expect(AGENT, "CANCEL");
    bed.expect_silence(CALLER);
    back(&mut bed);
    assert_eq!(brought(&mut bed).len(), 1);
}

#[test]
fn a_call_that_stands_is_left_alone() {
    let mut bed = Bed::new();
    establish(&mut bed);
    lost(&mut bed);
    bed.expect_silence(AGENT);
    bed.expect_silence(CALLER);
    back(&mut bed);
    assert_eq!(brought(&mut bed), []);
}

/// What control says to one who was brought in its call.
fn goes_on(bed: &mut Bed, brought: &Message, contact: &str) {
    let mut ok = answer(brought, 200, "relay");
    ok.headers.push(HeaderName::PatchbayPlace, contact);
    bed.receive_message(control(), &ok);
}

#[test]
fn who_waits_in_a_call_hears_on_and_has_its_agent_by_the_next() {
    let mut bed = Bed::new();
    let (_, answered) = wait_in_place(&mut bed, Some("place"));
    bed.played.clear();
    lost(&mut bed);
    bed.pass(SECOND);
    bed.expect_silence(CALLER);
    assert!(bed.played.is_empty(), "the music goes on");
    back(&mut bed);
    let again = bed.expect(CONTROL_SIP, "INVITE");
    let tag = answered.to_tag().unwrap();
    let place = again.headers.get(HeaderName::PatchbayPlace).unwrap();
    assert_eq!(place, format!("place {tag}"));
    goes_on(&mut bed, &again, "c2");
    bed.expect_silence(CALLER);
    let offer = offer_joining_as(&mut bed, &again, "c2");
    anna_answers(&mut bed, &offer);
    bed.expect(CONTROL_SIP, "200");
    bed.expect_silence(CALLER);
    assert_eq!(bed.core.live_sessions(), 1, "one call");
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &answered, 2, CALLER));
    bed.expect(AGENT, "BYE");
}

#[test]
fn a_place_that_is_told_in_the_call_is_the_one_that_is_kept() {
    let mut bed = Bed::new();
    let (_, answered) = wait_in_place(&mut bed, Some("place"));
    let mut info = of_control("INFO", &answered);
    info.headers.push(HeaderName::PatchbayPlace, "another");
    info.set_body(SAY_TYPE, "{}");
    bed.receive_message(control(), &info);
    bed.expect(CONTROL_SIP, "200");
    lost(&mut bed);
    back(&mut bed);
    let again = brought(&mut bed);
    assert!(again[0].1.starts_with("another "), "{again:?}");
}

#[test]
fn who_waits_in_a_call_is_hung_up_when_no_control_node_comes_or_wants_it() {
    let mut bed = Bed::new();
    wait_in_place(&mut bed, Some("place"));
    lost(&mut bed);
    bed.pass(KEPT_FOR - SECOND);
    bed.expect_silence(CALLER);
    bed.pass(SECOND);
    bed.expect(CALLER, "BYE");

    let mut bed = Bed::new();
    wait_in_place(&mut bed, Some("place"));
    lost(&mut bed);
    back(&mut bed);
    let again = bed.expect(CONTROL_SIP, "INVITE");
    bed.receive_message(control(), &answer(&again, 503, "control"));
    bed.expect(CALLER, "BYE");

    // It may be what they die of.
    let mut bed = Bed::new();
    wait_in_place(&mut bed, Some("place"));
    for _ in 0..MAX_TRIES {
        lost(&mut bed);
        bed.expect_silence(CALLER);
        back(&mut bed);
        bed.expect(CONTROL_SIP, "INVITE");
    }
    lost(&mut bed);
    bed.expect(CALLER, "BYE");
}

#[test]
fn who_hangs_up_in_its_call_meanwhile_is_not_brought() {
    let mut bed = Bed::new();
    let (_, answered) = wait_in_place(&mut bed, Some("place"));
    lost(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &answered, 2, CALLER));
    bed.expect(CALLER, "200");
    back(&mut bed);
    assert_eq!(brought(&mut bed), []);
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn both_kinds_are_brought_in_the_order_in_which_they_came() {
    let mut bed = Bed::new();
    waits(&mut bed, "first", "1");
    wait_in_place(&mut bed, Some("2"));
    waits(&mut bed, "third", "3");
    lost(&mut bed);
    back(&mut bed);
    let places: Vec<String> = brought(&mut bed)
        .into_iter()
        .map(|(_, place)| place)
        .collect();
    let first = |place: &String| place.chars().next().unwrap();
    assert_eq!(places.iter().map(first).collect::<String>(), "123");
}

#[test]
fn many_are_brought_as_fast_as_control_takes_them() {
    const CALLERS: usize = 1_000;
    let mut bed = Bed::new();
    for number in 0..CALLERS {
        waits(
            &mut bed,
            &format!("call{number}"),
            &format!("place{number}"),
        );
    }
    lost(&mut bed);
    back(&mut bed);
    let mut came = Vec::new();
    let mut rounds = 0;
    while came.len() < CALLERS {
        let sent = bed.sent_to(CONTROL_SIP);
        let invites: Vec<_> = sent.iter().filter(|sent| name(sent) == "INVITE").collect();
        assert!((1..=256).contains(&invites.len()), "{}", invites.len());
        for invite in invites {
            came.push(invite.call_id().unwrap().to_owned());
            bed.receive_message(control(), &Message::response_to(invite, 100, ""));
        }
        rounds += 1;
    }
    assert!(rounds >= 4);
    let wanted = (0..CALLERS).map(|number| format!("call{number}"));
    assert_eq!(came, Vec::from_iter(wanted));
    // A line that control leaves again is kept for the next one, for its time.
    lost(&mut bed);
    back(&mut bed);
    assert_eq!(brought(&mut bed).len(), 256);
    lost(&mut bed);
    bed.pass(KEPT_FOR);
    let refused = bed.sent_to(CALLER);
    let refused = refused.iter().filter(|sent| name(sent) == "503");
    assert_eq!(refused.count(), CALLERS);
}

#[test]
fn those_in_a_call_who_were_still_in_line_are_brought_to_the_next_but_one() {
    let mut bed = Bed::new();
    for number in 0..300 {
        waits(&mut bed, &format!("call{number}"), "place");
    }
    let (_, answered) = wait_in_place(&mut bed, Some("last"));
    lost(&mut bed);
    let now = bed.now();
    let elsewhere = Flow {
        remote: "10.0.0.3:5070".parse().unwrap(),
        ..control()
    };
    bed.core.control_up(elsewhere, now);
    bed.collect();
    let there = bed.sent_to("10.0.0.3:5070");
    assert_eq!(there.len(), 256, "it is behind them");
    lost(&mut bed);
    back(&mut bed);
    let mut came = Vec::new();
    while came.len() < 301 {
        let sent = bed.sent_to(CONTROL_SIP);
        assert!(!sent.is_empty(), "{} came", came.len());
        for invite in sent {
            let place = invite.headers.get(HeaderName::PatchbayPlace);
            came.push(place.unwrap().to_owned());
            bed.receive_message(control(), &Message::response_to(&invite, 100, ""));
        }
    }
    let tag = answered.to_tag().unwrap();
    assert_eq!(came[300], format!("last {tag}"));
}
