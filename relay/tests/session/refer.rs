//! Transfers by the phones: REFER, NOTIFY, INVITE with Replaces. B6, D11.
use crate::support::*;
use patchbay_relay::engine::Side;
use patchbay_relay::session::REFERRAL_TIME;
use patchbay_route::session::SessionEvent;
use patchbay_sip::{HeaderName, Message, NameAddr};
use std::time::Duration;

const BOB: &str = "203.0.113.30:5060";
const CAROL: &str = "192.0.2.77:5060";

fn refer(request: Message, to: &str) -> Message {
    let mut request = request;
    request.headers.push(HeaderName::ReferTo, to);
    let by = "<sip:anna@203.0.113.7>";
    request.headers.push(HeaderName::ReferredBy, by);
    request
}

/// The agent refers the caller, whose phone agrees; gives what the caller was told.
fn agent_refers(bed: &mut Bed, call: &Call, to: &str) -> Message {
    let refer = refer(from_agent("REFER", &call.offer, "anna", 1), to);
    bed.receive_message(udp(AGENT), &refer);
    let passed = bed.expect(CALLER, "REFER");
    assert_hides(&passed, &["203.0.113.", "anna-with-bob"]);
    let mut taken = answer(&passed, 202, "alice");
    let contact = format!("<sip:alice@{CALLER}>");
    taken.headers.set(HeaderName::Contact, contact);
    bed.receive_message(udp(CALLER), &taken);
    bed.expect(AGENT, "202");
    passed
}

/// An INVITE of a phone at `from` to what a Refer-To names.
fn invite_to(refer_to: &str, from: &str, call_id: &str) -> Message {
    let to = NameAddr::parse(refer_to).unwrap();
    let mut again = invite();
    again.set_uri(to.uri.to_string());
    let via = format!("SIP/2.0/UDP {from};branch=z9hG4bK{call_id}");
    again.headers.set(HeaderName::Via, via);
    again.headers.set(HeaderName::To, refer_to);
    again.headers.set(HeaderName::CallId, call_id);
    let contact = format!("<sip:alice@{from}>");
    again.headers.set(HeaderName::Contact, contact);
    let (ip, _) = from.split_once(':').unwrap();
    with_sdp(again, ip, 4800)
}

fn refer_to(message: &Message) -> String {
    message.headers.get(HeaderName::ReferTo).unwrap().to_owned()
}

fn notify(request: Message, state: &str) -> Message {
    let mut request = request;
    request.headers.push(HeaderName::Event, "refer");
    request.headers.push(HeaderName::SubscriptionState, state);
    let body = "SIP/2.0 200 OK\r\nContact: <sip:bob@192.0.2.9>\r\n";
    request.set_body("message/sipfrag;version=2.0", body.as_bytes().to_vec());
    request
}

#[test]
fn a_blind_transfer_goes_through_the_relay() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let told = agent_refers(&mut bed, &call, &format!("<sip:bob@{BOB}>"));
    let by = told.headers.get(HeaderName::ReferredBy).unwrap();
    assert!(by.contains("anna@198.51.100.1"), "{by}");
    let before = bed.events.len();

    bed.receive_message(udp(CALLER), &invite_to(&refer_to(&told), CALLER, "second"));
    let offered = bed.expect(BOB, "INVITE");
    assert_eq!(offered.uri(), Some(&*format!("sip:bob@{BOB}")));
    assert_hides(&offered, &["192.0.2."]);
    bed.receive_message(
        udp(BOB),
        &with_sdp(answer(&offered, 200, "bob"), "203.0.113.30", 7000),
    );
    let ok = bed.expect(CALLER, "200");
    assert_hides(&ok, &["203.0.113."]);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    assert_eq!(bed.core.live_sessions(), 2);
    // Control is not told of it, nor does the list name it.
    assert_eq!(bed.events.len(), before);
    let views = bed.core.session_views();
    assert_eq!(views.iter().filter(|view| view.offer.is_empty()).count(), 1);

    // The word of the transfer passes without the caller's address.
    let notify = notify(
        in_dialog("NOTIFY", &call.ok, 2, CALLER),
        "terminated;reason=noresource",
    );
    bed.receive_message(udp(CALLER), &notify);
    let passed = bed.expect(AGENT, "NOTIFY");
    assert_eq!(&passed.body[..], b"SIP/2.0 200 OK\r\n");
    assert_eq!(passed.headers.get(HeaderName::Event), Some("refer"));
    assert_hides(&passed, &["192.0.2."]);
}

#[test]
fn the_word_of_a_transfer_passes_after_the_bye() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    agent_refers(&mut bed, &call, &format!("<sip:bob@{BOB}>"));
    bed.receive_message(udp(AGENT), &from_agent("BYE", &call.offer, "anna", 2));
    let bye = bed.expect(CALLER, "BYE");
    bed.receive_message(udp(CALLER), &answer(&bye, 200, "alice"));
    let first = notify(
        in_dialog("NOTIFY", &call.ok, 2, CALLER),
        "active;expires=60",
    );
    bed.receive_message(udp(CALLER), &first);
    let passed = bed.expect(AGENT, "NOTIFY");
    bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
    bed.expect(CALLER, "200");
    let last = notify(in_dialog("NOTIFY", &call.ok, 3, CALLER), "terminated");
    bed.receive_message(udp(CALLER), &last);
    let passed = bed.expect(AGENT, "NOTIFY");
    bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
    bed.expect(CALLER, "200");
    // It is over now, and so it is after a while for one that is never heard of again.
    let late = notify(in_dialog("NOTIFY", &call.ok, 4, CALLER), "terminated");
    bed.receive_message(udp(CALLER), &late);
    bed.expect(CALLER, "481");
}

#[test]
fn who_hangs_up_amid_the_word_of_a_transfer_still_answers_it() {
    for silent in [false, true] {
        let mut bed = Bed::new();
        let call = establish(&mut bed);
        agent_refers(&mut bed, &call, &format!("<sip:bob@{BOB}>"));
        let word = in_dialog("NOTIFY", &call.ok, 2, CALLER);
        bed.receive_message(udp(CALLER), &notify(word, "terminated;reason=noresource"));
        let word = bed.expect(AGENT, "NOTIFY");
        bed.receive_message(udp(AGENT), &from_agent("BYE", &call.offer, "anna", 2));
        bed.expect(AGENT, "200");
        let bye = bed.expect(CALLER, "BYE");
        bed.receive_message(udp(CALLER), &answer(&bye, 200, "alice"));
        assert!(bed.sent_to(CALLER).is_empty(), "not answered for the agent");
        if !silent {
            bed.receive_message(udp(AGENT), &answer(&word, 200, "anna"));
            bed.expect(CALLER, "200");
        }
        bed.pass(Duration::from_secs(60));
        assert_eq!(bed.core.session_views().len(), 0);
        assert_eq!(bed.core.next_wakeup(), None);
    }
}

#[test]
fn an_address_of_the_centre_is_called_as_it_is() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let told = agent_refers(&mut bed, &call, "<sip:sales@198.51.100.1?Subject=x>");
    assert_eq!(refer_to(&told), "<sip:sales@198.51.100.1>");
    bed.receive_message(udp(CALLER), &invite_to(&refer_to(&told), CALLER, "second"));
    bed.expect("10.0.0.2:5070", "INVITE");
}

#[test]
fn an_address_given_out_for_a_transfer_expires() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let told = agent_refers(&mut bed, &call, &format!("<sip:bob@{BOB}>"));
    bed.pass(REFERRAL_TIME + Duration::from_secs(1));
    bed.sent_to(BOB);
    bed.receive_message(udp(CALLER), &invite_to(&refer_to(&told), CALLER, "second"));
    bed.expect_silence(BOB);
}

#[test]
fn a_refer_without_or_with_two_addresses_is_400() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("REFER", &call.ok, 2, CALLER));
    bed.expect(CALLER, "400");
    let mut two = refer(in_dialog("REFER", &call.ok, 3, CALLER), "<sip:a@b>");
    two.headers.push(HeaderName::ReferTo, "<sip:c@d>");
    bed.receive_message(udp(CALLER), &two);
    bed.expect(CALLER, "400");
}

#[test]
fn an_attended_transfer_elsewhere_takes_replaces_along() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let replaces = "anna-with-bob%40203.0.113.7%3Bto-tag%3Dbob%3Bfrom-tag%3Danna2";
    let told = agent_refers(
        &mut bed,
        &call,
        &format!("<sip:bob@{BOB}?Replaces={replaces}>"),
    );
    bed.receive_message(udp(CALLER), &invite_to(&refer_to(&told), CALLER, "second"));
    let offered = bed.expect(BOB, "INVITE");
    let named = offered.headers.get(HeaderName::Replaces);
    assert_eq!(
        named,
        Some("anna-with-bob@203.0.113.7;to-tag=bob;from-tag=anna2")
    );
}

/// The newcomer `from` takes the place of the caller; the agent agrees.
fn takes_place(bed: &mut Bed, invite: &Message, from: &str) {
    bed.receive_message(udp(from), invite);
    let offered = bed.expect(AGENT, "INVITE");
    assert_hides(&offered, &["192.0.2."]);
    bed.expect_silence(CALLER);
    bed.receive_message(
        udp(AGENT),
        &with_sdp(answer(&offered, 200, "anna"), "203.0.113.7", 6002),
    );
    bed.expect(AGENT, "ACK");
    let ok = bed.expect(from, "200");
    bed.receive_message(udp(from), &in_dialog("ACK", &ok, 1, from));
    let bye = bed.expect(CALLER, "BYE");
    bed.receive_message(udp(CALLER), &answer(&bye, 200, "alice"));
    let at = bed.remote(Side::Client).unwrap().rtp.to_string();
    assert_eq!(at, format!("{}:4800", from.split_once(':').unwrap().0));
    // The newcomer is the caller now.
    bed.receive_message(udp(from), &in_dialog("BYE", &ok, 2, from));
    bed.expect(from, "200");
    bed.expect(AGENT, "BYE");
    assert_eq!(bed.core.live_sessions(), 0);
}

/// An INVITE that replaces the caller's dialog.
fn replacing(call: &Call, more: &str) -> Message {
    let ours = call.ok.to_tag().unwrap();
    let mut invite = invite_to("<sip:x@198.51.100.1>", CAROL, "pickup");
    let replaces = format!("call@192.0.2.9;to-tag={ours};from-tag=alice{more}");
    invite.headers.push(HeaderName::Replaces, replaces);
    invite
}

#[test]
fn an_invite_with_replaces_takes_the_place_of_a_side() {
    let mut bed = Bed::new();
    bed.core.keep_joints(9);
    let call = establish(&mut bed);
    takes_place(&mut bed, &replacing(&call, ""), CAROL);
    let before = call.ok.call_id().unwrap();
    let joint = bed.core.joints().into_iter().find(|joint| {
        let has = |id: &str| joint.call_ids.iter().any(|known| known == id);
        has("pickup") && has(before)
    });
    assert!(joint.is_some(), "who was replaced belongs to the call");
}

#[test]
fn who_does_not_name_the_dialog_replaces_nobody() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let ours = call.ok.to_tag().unwrap();
    for (replaces, status) in [
        ("nonsense".to_owned(), "400"),
        ("call@192.0.2.9;to-tag=x;from-tag=alice".to_owned(), "481"),
        (format!("call@192.0.2.9;to-tag={ours};from-tag=bob"), "481"),
        (format!("other;to-tag={ours};from-tag=alice"), "481"),
        (
            format!("call@192.0.2.9;to-tag={ours};from-tag=alice;early-only"),
            "486",
        ),
    ] {
        let mut invite = invite_to("<sip:x@198.51.100.1>", CAROL, &format!("try{status}"));
        let via = format!("SIP/2.0/UDP {CAROL};branch=z9hG4bK{}", replaces.len());
        invite.headers.set(HeaderName::Via, via);
        invite.headers.push(HeaderName::Replaces, replaces.as_str());
        bed.receive_message(udp(CAROL), &invite);
        bed.expect(CAROL, status);
    }
    bed.expect_silence(AGENT);
    assert_eq!(bed.core.live_sessions(), 1);
}

#[test]
fn a_newcomer_that_the_other_side_refuses_changes_nothing() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    bed.receive_message(udp(CAROL), &replacing(&call, ""));
    let offered = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&offered, 488, "anna"));
    bed.expect(CAROL, "488");
    bed.expect_silence(CALLER);
    // The caller's dialog stands.
    bed.receive_message(udp(CALLER), &in_dialog("INFO", &call.ok, 2, CALLER));
    bed.expect(AGENT, "INFO");
}

#[test]
fn an_attended_transfer_between_two_calls_joins_their_far_sides() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    // The agent of this call is the caller of another one, as which it names its dialog there.
    let ours = call.ok.to_tag().unwrap();
    let replaces = format!("call%40192.0.2.9%3Bto-tag%3D{ours}%3Bfrom-tag%3Dalice");
    let target = format!("<sip:{ours}@198.51.100.1?Replaces={replaces}>");
    let told = agent_refers(&mut bed, &call, &target);
    assert_hides(&told, &["call%40"]);
    takes_place(
        &mut bed,
        &invite_to(&refer_to(&told), CAROL, "joined"),
        CAROL,
    );
}

#[test]
fn an_agent_that_is_replaced_is_free_and_the_call_goes_on() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let ours = call.offer.from_tag().unwrap();
    let id = call.offer.call_id().unwrap().to_owned();
    let mut invite = invite_to("<sip:x@198.51.100.1>", BOB, "instead");
    let replaces = format!("{id};to-tag={ours};from-tag=anna");
    invite.headers.push(HeaderName::Replaces, replaces);
    bed.receive_message(udp(BOB), &invite);
    let offered = bed.expect(CALLER, "INVITE");
    assert_hides(&offered, &["203.0.113."]);
    bed.receive_message(
        udp(CALLER),
        &with_sdp(answer(&offered, 200, "alice"), "192.0.2.9", 4000),
    );
    let joined = bed.expect(BOB, "200");
    bed.receive_message(udp(BOB), &in_dialog("ACK", &joined, 1, BOB));
    bed.expect(AGENT, "BYE");
    assert!(matches!(bed.events.last(), Some(SessionEvent::Ended(_))));
    let events = bed.events.len();
    assert_eq!(bed.core.live_sessions(), 1);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &call.ok, 2, CALLER));
    bed.expect(BOB, "BYE");
    assert_eq!(bed.events.len(), events, "its end was told once");
}
