//! UPDATE in an established call, glare, and methods that the relay need not know. B6.
use crate::support::*;
use patchbay_relay::engine::Side;
use patchbay_sip::{HeaderName, Method};

#[test]
fn an_update_moves_the_medium() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let update = with_sdp(in_dialog("UPDATE", &call.ok, 2, CALLER), "192.0.2.50", 4444);
    bed.receive_message(udp(CALLER), &update);
    let passed = bed.expect(AGENT, "UPDATE");
    assert_hides(&passed, &["192.0.2."]);
    let ok = with_sdp(answer(&passed, 200, "anna"), "203.0.113.8", 6600);
    bed.receive_message(udp(AGENT), &ok);
    let answered = bed.expect(CALLER, "200");
    assert_hides(&answered, &["203.0.113."]);
    assert!(answered.headers.contains(HeaderName::Contact));
    let at = |side| bed.remote(side).unwrap().rtp.to_string();
    assert_eq!(at(Side::Client), "192.0.2.50:4444");
    assert_eq!(at(Side::Agent), "203.0.113.8:6600");
}

#[test]
fn offers_that_cross_are_491_and_offers_on_top_of_ones_own_are_500() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let update = |cseq| {
        with_sdp(
            in_dialog("UPDATE", &call.ok, cseq, CALLER),
            "192.0.2.9",
            4000,
        )
    };
    bed.receive_message(udp(CALLER), &update(2));
    let passed = bed.expect(AGENT, "UPDATE");
    bed.receive_message(udp(CALLER), &update(3));
    let refused = bed.expect(CALLER, "500");
    let wait = refused.headers.get(HeaderName::RetryAfter).unwrap();
    assert!(wait.parse::<u32>().unwrap() <= 10);
    for (method, cseq) in [("UPDATE", 1), ("INVITE", 2)] {
        let crossing = from_agent(method, &call.offer, "anna", cseq);
        bed.receive_message(udp(AGENT), &with_sdp(crossing, "203.0.113.7", 6000));
        bed.expect(AGENT, "491");
    }
    // It is refused by who was asked: now the other one may ask.
    bed.receive_message(udp(AGENT), &answer(&passed, 488, "anna"));
    bed.expect(CALLER, "488");
    let again = from_agent("UPDATE", &call.offer, "anna", 3);
    bed.receive_message(udp(AGENT), &with_sdp(again, "203.0.113.7", 6000));
    bed.expect(CALLER, "UPDATE");
}

#[test]
fn a_second_reinvite_on_top_of_ones_own_is_500() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let reinvite = |cseq| {
        with_sdp(
            in_dialog("INVITE", &call.ok, cseq, CALLER),
            "192.0.2.9",
            4000,
        )
    };
    bed.receive_message(udp(CALLER), &reinvite(2));
    bed.expect(AGENT, "INVITE");
    bed.receive_message(udp(CALLER), &reinvite(3));
    assert!(
        bed.expect(CALLER, "500")
            .headers
            .contains(HeaderName::RetryAfter)
    );
}

#[test]
fn a_reinvite_may_be_answered_reliably() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let hold = with_sdp(
        from_agent("INVITE", &call.offer, "anna", 1),
        "203.0.113.9",
        6800,
    );
    bed.receive_message(udp(AGENT), &hold);
    let offered = bed.expect(CALLER, "INVITE");
    let mut progress = with_sdp(answer(&offered, 183, "alice"), "192.0.2.9", 4000);
    progress.headers.push(HeaderName::Require, "100rel");
    progress.headers.push(HeaderName::RSeq, "41");
    bed.receive_message(udp(CALLER), &progress);
    let passed = bed.expect(AGENT, "183");
    assert_eq!(passed.headers.get(HeaderName::RSeq), Some("41"));
    let mut prack = from_agent("PRACK", &call.offer, "anna", 2);
    prack.headers.push(HeaderName::RAck, "41 1 INVITE");
    bed.receive_message(udp(AGENT), &prack);
    let passed = bed.expect(CALLER, "PRACK");
    let number = offered.cseq().unwrap().number;
    let rack = format!("41 {number} INVITE");
    assert_eq!(passed.headers.get(HeaderName::RAck), Some(rack.as_str()));
}

#[test]
fn every_method_passes_both_ways_with_its_answer() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let methods = [
        "MESSAGE",
        "NOTIFY",
        "SUBSCRIBE",
        "OPTIONS",
        "PUBLISH",
        "FROBNICATE",
    ];
    for (method, cseq) in methods.into_iter().zip(2..) {
        let mut request = in_dialog(method, &call.ok, cseq, CALLER);
        request.headers.push("Event", "presence");
        request.set_body("text/plain", "hello".as_bytes().to_vec());
        bed.receive_message(udp(CALLER), &request);
        let passed = bed.expect(AGENT, method);
        assert_eq!(&passed.body[..], b"hello");
        assert_eq!(passed.headers.get("Event"), Some("presence"));
        assert_hides(&passed, &["192.0.2."]);
        bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
        bed.expect(CALLER, "200");
        bed.receive_message(udp(AGENT), &from_agent(method, &call.offer, "anna", cseq));
        let passed = bed.expect(CALLER, method);
        assert_hides(&passed, &["203.0.113."]);
        bed.receive_message(udp(CALLER), &answer(&passed, 501, "alice"));
        bed.expect(AGENT, "501");
    }
}

#[test]
fn a_denied_method_is_405_with_those_that_pass() {
    let denied = vec![Method::Refer, Method::from("FROBNICATE")];
    let mut bed = Bed::with(|config| config.deny_methods = denied);
    let call = establish(&mut bed);
    for (method, cseq) in [("REFER", 2), ("FROBNICATE", 3)] {
        bed.receive_message(udp(CALLER), &in_dialog(method, &call.ok, cseq, CALLER));
        let refused = bed.expect(CALLER, "405");
        let allow = refused.headers.get(HeaderName::Allow).unwrap();
        assert!(allow.contains("UPDATE") && !allow.contains("REFER"));
    }
    bed.expect_silence(AGENT);
    let drops = bed.core.gauges().counters;
    let drops: Vec<_> = drops
        .drops()
        .filter(|(name, _)| *name == "method_denied")
        .collect();
    assert_eq!(drops, [("method_denied", 2)]);
}
