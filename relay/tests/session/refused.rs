//! Calls that do not come about: busy, cancelled, crossed, out of ports, forged. B2, B6.
use crate::support::*;

use patchbay_route::place::KEPT_FOR;
use patchbay_route::session::SessionEvent;
use patchbay_route::transfer::Carrier;
use patchbay_sip::{HeaderName, Message, Method};
use std::time::Duration;

in_each_form!(
    a_busy_agent_is_reported_to_control_and_another_offer_may_follow,
    an_agent_who_does_not_answer_at_all_is_a_timeout,
    a_cancelled_offer_stops_the_ringing,
    an_answer_that_crosses_the_cancel_is_hung_up,
    a_caller_that_never_acknowledges_is_ended_on_both_sides,
    without_ports_the_offer_is_503_with_retry_after_and_nothing_leaks,
    a_transfer_from_outside_is_never_executed,
    a_transfer_is_good_for_one_use,
    when_control_stays_away_waiting_callers_are_told_and_offers_are_taken_back,
);

const TO_CONTROL: &str = "10.0.0.2:5070";

fn is_clean(bed: &Bed) {
    assert_eq!(bed.core.live_sessions(), 0);
    assert!(bed.media.lock().unwrap().open.is_empty());
    let ends = bed
        .events
        .iter()
        .filter(|e| matches!(e, SessionEvent::Ended(_)));
    let starts = bed
        .events
        .iter()
        .filter(|e| matches!(e, SessionEvent::Started(_)));
    assert_eq!(ends.count(), starts.count());
}

fn a_busy_agent_is_reported_to_control_and_another_offer_may_follow(form: Carrier) {
    let mut bed = Bed::by(form);
    let first = offer(&mut bed);
    bed.receive_message(udp(AGENT), &answer(&first, 486, "anna"));
    bed.expect(AGENT, "ACK");
    let busy = bed.expect(TO_CONTROL, "486");
    assert_hides(&busy, &["203.0.113.7"]);
    is_clean(&bed);
    let mut again = invite();
    again.headers.push(HeaderName::from("P-Test"), "second");
    let now = bed.now();
    let second = transfer(&again, "o2", now);
    bed.receive_message(control(), &second);
    bed.expect(AGENT, "INVITE");
}

fn an_agent_who_does_not_answer_at_all_is_a_timeout(form: Carrier) {
    let mut bed = Bed::by(form);
    offer(&mut bed);
    bed.pass(Duration::from_secs(33));
    bed.expect(TO_CONTROL, "408");
    is_clean(&bed);
}

fn cancel_of(transfer: &Message) -> Message {
    let mut cancel = Message::request(Method::Cancel, transfer.uri().unwrap());
    let via = transfer.headers.get(HeaderName::Via).unwrap();
    cancel.headers.push(HeaderName::Via, via);
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
        cancel
            .headers
            .push(name.clone(), transfer.headers.get(name).unwrap());
    }
    cancel.headers.push(HeaderName::CSeq, "1 CANCEL");
    cancel
}

fn a_cancelled_offer_stops_the_ringing(form: Carrier) {
    let mut bed = Bed::by(form);
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect(TO_CONTROL, "INVITE");
    let transfer = transfer(&forwarded, "o1", bed.now());
    bed.receive_message(control(), &transfer);
    let offer = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    bed.receive_message(control(), &cancel_of(&transfer));
    bed.expect(AGENT, "CANCEL");
    let statuses: Vec<_> = bed.sent_to(TO_CONTROL).iter().map(name).collect();
    assert!(statuses.contains(&"487".to_string()), "{statuses:?}");
    bed.receive_message(udp(AGENT), &answer(&offer, 487, "anna"));
    bed.pass(Duration::from_secs(60));
    is_clean(&bed);
}

fn an_answer_that_crosses_the_cancel_is_hung_up(form: Carrier) {
    let mut bed = Bed::by(form);
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect(TO_CONTROL, "INVITE");
    let transfer = transfer(&forwarded, "o1", bed.now());
    bed.receive_message(control(), &transfer);
    let offer = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    bed.receive_message(control(), &cancel_of(&transfer));
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    let names: Vec<_> = bed.sent_to(AGENT).iter().map(name).collect();
    assert!(names.ends_with(&["ACK".into(), "BYE".into()]), "{names:?}");
    is_clean(&bed);
}

fn a_caller_that_never_acknowledges_is_ended_on_both_sides(form: Carrier) {
    let mut bed = Bed::by(form);
    let offer = offer(&mut bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.pass(Duration::from_secs(2));
    let again = bed
        .sent_to(TO_CONTROL)
        .iter()
        .filter(|m| name(m) == "200")
        .count();
    assert!(again >= 3, "the 200 is sent again, seen {again}");
    bed.pass(Duration::from_secs(31));
    bed.expect(AGENT, "BYE");
    bed.expect(CALLER, "BYE");
    bed.pass(Duration::from_secs(60));
    is_clean(&bed);
}

fn without_ports_the_offer_is_503_with_retry_after_and_nothing_leaks(form: Carrier) {
    let mut bed = Bed::by(form);
    bed.media.lock().unwrap().free = 0;
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect(TO_CONTROL, "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let full = bed.expect(TO_CONTROL, "503");
    assert!(full.headers.get(HeaderName::RetryAfter).is_some());
    bed.expect_silence(AGENT);
    is_clean(&bed);
}

fn a_transfer_from_outside_is_never_executed(form: Carrier) {
    let mut bed = Bed::by(form);
    let now = bed.now();
    let mut signed = transfer(&invite(), "o1", now);
    signed.headers.remove_first(HeaderName::Via);
    bed.receive_message(udp(CALLER), &signed);
    bed.expect(CALLER, "403");
    bed.expect_silence(AGENT);
    bed.expect_silence(TO_CONTROL);
}

fn a_transfer_is_good_for_one_use(form: Carrier) {
    let mut bed = Bed::by(form);
    let first = transfer(&invite(), "o1", bed.now());
    bed.receive_message(control(), &first);
    bed.expect(AGENT, "INVITE");
    let mut replay = first.clone();
    replay.headers.remove_first(HeaderName::Via);
    let via = "SIP/2.0/TCP 10.0.0.2:5070;branch=z9hG4bKreplay";
    replay.headers.push_front(HeaderName::Via, via);
    bed.receive_message(control(), &replay);
    bed.expect(TO_CONTROL, "403");
    bed.expect_silence(AGENT);
}

fn when_control_stays_away_waiting_callers_are_told_and_offers_are_taken_back(form: Carrier) {
    let mut bed = Bed::by(form);
    let offer = offer(&mut bed);
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    bed.lose_control();
    bed.expect(AGENT, "CANCEL");
    bed.receive_message(udp(AGENT), &answer(&offer, 487, "anna"));
    bed.pass(KEPT_FOR);
    let told = bed.expect(CALLER, "503");
    assert!(told.headers.get(HeaderName::RetryAfter).is_some());
    is_clean(&bed);
    let mut later = invite();
    later.headers.set(HeaderName::CallId, "later");
    later.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKlater",
    );
    bed.receive_message(udp(CALLER), &later);
    bed.expect(CALLER, "503");
}

#[test]
fn a_draining_host_refuses_new_calls_and_keeps_the_others() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    bed.core.set_draining(true);
    let mut later = invite();
    later.headers.set(HeaderName::CallId, "later");
    later.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKlater",
    );
    bed.receive_message(udp(CALLER), &later);
    bed.expect(CALLER, "503");
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &call.ok, 2, CALLER));
    bed.expect(AGENT, "BYE");
}
