//! Transfers in envelopes (B4): what is none, from control and from outside.
use crate::carrying::in_envelope;
use crate::support::*;

use patchbay_route::transfer::Carrier;
use patchbay_sip::carried::is_envelope;
use patchbay_sip::{HeaderName, Message};

const TO_CONTROL: &str = "10.0.0.2:5070";

fn dropped(bed: &Bed, reason: &str) -> u64 {
    let counters = bed.core.gauges().counters;
    let mut drops = counters.drops();
    drops.find(|(name, _)| *name == reason).unwrap().1
}

// B4
#[test]
fn what_control_sends_in_an_envelope_must_be_a_transfer() {
    let mut bed = Bed::new();
    let signed = transfer(&invite(), "o1", bed.now());
    let mut in_dialog = signed.clone();
    in_dialog.set_to_tag("somebody");
    let mut bye = Message::request("BYE".into(), signed.uri().unwrap());
    for name in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        bye.headers
            .push(name.clone(), signed.headers.get(name).unwrap());
    }
    bye.headers.push(HeaderName::CSeq, "1 BYE");
    let nested = in_envelope(&signed, "TCP 10.0.0.2:5070", "nested");
    for (count, inner) in (1..).zip([invite(), in_dialog, bye, nested]) {
        let envelope = in_envelope(&inner, "TCP 10.0.0.2:5070", &format!("bad{count}"));
        bed.receive_message(control(), &envelope);
        bed.expect(TO_CONTROL, "400");
        assert_eq!(dropped(&bed, "carried_malformed"), count);
    }
    for body in [
        "",
        "nonsense",
        "INVITE sip:relay.invalid;agent=a SIP/2.0\r\n\r\n",
    ] {
        let mut envelope = in_envelope(&invite(), "TCP 10.0.0.2:5070", &format!("x{}", body.len()));
        envelope.set_body("message/sip", body);
        bed.receive_message(control(), &envelope);
        bed.expect(TO_CONTROL, "400");
    }
    bed.expect_silence(AGENT);
    assert_eq!(bed.core.live_sessions(), 0);
}

// B4
#[test]
fn a_body_of_sip_from_outside_is_passed_on_like_any_other_unless_it_is_a_transfer() {
    let mut bed = Bed::new();
    let harmless = in_envelope(&invite(), "UDP 192.0.2.9:5060", "harmless");
    let mut harmless = harmless;
    harmless.headers.set(HeaderName::MaxForwards, "70");
    bed.receive_message(udp(CALLER), &harmless);
    let passed = bed.expect(TO_CONTROL, "MESSAGE");
    assert!(is_envelope(&passed));
    assert!(passed.headers.contains("P-Patchbay-Source"));

    let signed = transfer(&invite(), "o1", bed.now());
    let forged = in_envelope(&signed, "UDP 192.0.2.9:5060", "forged");
    bed.receive_message(udp(CALLER), &forged);
    bed.expect(CALLER, "403");
    assert_eq!(dropped(&bed, "forged_transfer"), 1);
    bed.expect_silence(TO_CONTROL);
    bed.expect_silence(AGENT);
}

// B4
#[test]
fn an_answer_that_control_does_not_take_is_counted_and_the_call_ends_by_itself() {
    let mut bed = Bed::new();
    let signed = transfer(&invite(), "o1", bed.now());
    let envelope = in_envelope(&signed, "TCP 10.0.0.2:5070", "one");
    bed.receive_message(control(), &envelope);
    bed.expect(TO_CONTROL, "200");
    let offer = bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    let carried = bed.expect(TO_CONTROL, "MESSAGE");
    bed.receive_message(control(), &Message::response_to(&carried, 481, ""));
    assert_eq!(dropped(&bed, "carried_lost"), 1);
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    bed.pass(std::time::Duration::from_secs(40));
    bed.expect(AGENT, "BYE");
    assert!(dropped(&bed, "carried_lost") > 1);
}

// B2 B4
fn a_transfer_that_is_not_ours_or_too_old_is_refused(form: Carrier) {
    let mut bed = Bed::by(form);
    let mut forged = transfer(&invite(), "o1", bed.now());
    let uri = forged
        .uri()
        .unwrap()
        .replace("agentid=anna", "agentid=bert");
    forged.set_uri(uri);
    bed.receive_message(control(), &forged);
    bed.expect(TO_CONTROL, "403");
    let old = transfer(&invite(), "o2", bed.now());
    bed.pass(std::time::Duration::from_secs(61));
    bed.receive_message(control(), &old);
    let refused = bed.expect(TO_CONTROL, "403");
    let warning = refused.headers.get(HeaderName::Warning).unwrap();
    assert!(warning.contains("expired"), "{warning}");
    let mut foreign = transfer(&invite(), "o3", bed.now());
    foreign.headers.set(HeaderName::CallId, "of-another-call");
    bed.receive_message(control(), &foreign);
    bed.expect(TO_CONTROL, "403");
    assert_eq!(dropped(&bed, "forged_transfer"), 3);
    bed.expect_silence(AGENT);
    assert_eq!(bed.core.live_sessions(), 0);
}

in_each_form!(a_transfer_that_is_not_ours_or_too_old_is_refused);
