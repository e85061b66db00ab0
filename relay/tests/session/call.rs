//! A whole call: transfer, answer, hang-up from either side. A5, A6, B1, B2, B3, B6.
use crate::support::*;

use patchbay_relay::engine::Side;
use patchbay_route::session::{EndCause, EndedBy, SessionEvent, SessionState};
use patchbay_route::transfer::Carrier;
use patchbay_sip::Message;
use std::time::Duration;

in_each_form!(
    a_call_is_set_up_through_the_relay_and_neither_side_sees_the_other,
    the_caller_hangs_up,
    the_agent_hangs_up,
    an_agent_that_hangs_up_at_once_is_heard_and_the_caller_told_after_its_ack,
    a_caller_that_never_acknowledges_is_told_in_the_end,
);

fn a_call_is_set_up_through_the_relay_and_neither_side_sees_the_other(form: Carrier) {
    let mut bed = Bed::by(form);
    let offer = offer(&mut bed);
    assert_hides(&offer, &["192.0.2.9", "10.0.0."]);
    assert_eq!(offer.headers.get("Subject"), Some("help"));
    assert!(
        offer
            .headers
            .get("From")
            .unwrap()
            .starts_with("\"Alice\" <sip:alice@198.51.100.1>")
    );
    let view = bed.core.session_views().pop().unwrap();
    assert_eq!((view.agent.as_str(), view.contact.as_str()), ("anna", "c1"));

    let ringing = answer(&offer, 180, "anna");
    bed.receive_message(udp(AGENT), &ringing);
    pass_upstream(&mut bed, "180");
    let ringing = bed.expect(CALLER, "180");
    assert_hides(&ringing, &["203.0.113.7", "10.0.0.", "anna"]);

    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    assert_hides(&ok, &["203.0.113.7", "10.0.0.", "anna"]);
    assert_eq!(bed.core.session_views()[0].state, SessionState::Established);
    let told = bed.media.lock().unwrap();
    let remotes = told.open.values().next().unwrap();
    assert_eq!(
        remotes[Side::Client.index()],
        Some("192.0.2.9:4000".parse().unwrap())
    );
    assert_eq!(
        remotes[Side::Agent.index()],
        Some("203.0.113.7:6000".parse().unwrap())
    );
}

fn the_caller_hangs_up(form: Carrier) {
    let mut bed = Bed::by(form);
    let call = establish(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &call.ok, 2, CALLER));
    bed.expect(CALLER, "200");
    let bye = bed.expect(AGENT, "BYE");
    assert_hides(&bye, &["192.0.2.9"]);
    bed.receive_message(udp(AGENT), &answer(&bye, 200, "anna"));
    ended(&bed, EndedBy::Client, EndCause::Bye);
}

/// A call whose agent has hung up before the ACK of its caller came: the caller's 200.
fn hung_up_early(bed: &mut Bed) -> Message {
    let offer = offer(bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(AGENT), &from_agent("BYE", &offer, "anna", 1));
    bed.expect(AGENT, "200");
    ended(bed, EndedBy::Agent, EndCause::Bye);
    // RFC 3261 section 15.
    bed.expect_silence(CALLER);
    ok
}

fn an_agent_that_hangs_up_at_once_is_heard_and_the_caller_told_after_its_ack(form: Carrier) {
    let mut bed = Bed::by(form);
    let ok = hung_up_early(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    let bye = bed.expect(CALLER, "BYE");
    bed.receive_message(udp(CALLER), &answer(&bye, 200, "x"));
    assert_eq!(bed.core.session_views().len(), 0);
}

fn a_caller_that_never_acknowledges_is_told_in_the_end(form: Carrier) {
    let mut bed = Bed::by(form);
    hung_up_early(&mut bed);
    bed.pass(Duration::from_secs(33));
    bed.expect(CALLER, "BYE");
}

fn the_agent_hangs_up(form: Carrier) {
    let mut bed = Bed::by(form);
    let call = establish(&mut bed);
    bed.receive_message(udp(AGENT), &from_agent("BYE", &call.offer, "anna", 1));
    bed.expect(AGENT, "200");
    let bye = bed.expect(CALLER, "BYE");
    assert_hides(&bye, &["203.0.113.7", "anna"]);
    bed.receive_message(udp(CALLER), &answer(&bye, 200, "x"));
    ended(&bed, EndedBy::Agent, EndCause::Bye);
}

#[test]
fn a_party_that_no_longer_answers_does_not_keep_the_row() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &call.ok, 2, CALLER));
    bed.pass(std::time::Duration::from_secs(60));
    ended(&bed, EndedBy::Client, EndCause::Bye);
    assert_eq!(bed.core.next_wakeup(), None);
}

fn ended(bed: &Bed, by: EndedBy, cause: EndCause) {
    let ends: Vec<_> = bed
        .events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Ended(ended) => Some((ended.by, ended.cause, ended.answered)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(by, cause, true)]);
    assert_eq!(bed.core.live_sessions(), 0);
    assert!(bed.media.lock().unwrap().open.is_empty());
}
