//! Before the answer: reliable provisional answers, PRACK, UPDATE, BYE. B6.
use crate::support::*;
use patchbay_relay::engine::Side;
use patchbay_sip::{HeaderName, Message};

/// A reliable 183 of a phone of the agent, as it leaves that phone.
fn reliable(offer: &Message, tag: &str, rseq: u32, media: &str) -> Message {
    let mut progress = answer(offer, 183, tag);
    progress.headers.push(HeaderName::Require, "100rel");
    progress.headers.push(HeaderName::RSeq, rseq.to_string());
    let (ip, port) = media.split_once(':').unwrap();
    with_sdp(progress, ip, port.parse().unwrap())
}

/// Sends it, and gives what the caller gets.
fn ring(bed: &mut Bed, progress: &Message) -> Message {
    bed.receive_message(udp(AGENT), progress);
    pass_upstream(bed, "183");
    bed.expect(CALLER, "183")
}

fn rseq(message: &Message) -> String {
    message.headers.get(HeaderName::RSeq).unwrap().to_owned()
}

fn prack(progress: &Message, cseq: u32) -> Message {
    let mut prack = in_dialog("PRACK", progress, cseq, CALLER);
    let rack = format!("{} 1 INVITE", rseq(progress));
    prack.headers.push(HeaderName::RAck, rack);
    prack
}

fn media_at(bed: &Bed, side: Side) -> String {
    bed.remote(side).unwrap().rtp.to_string()
}

#[test]
fn a_reliable_answer_is_acknowledged_by_the_caller_itself() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let progress = ring(&mut bed, &reliable(&offer, "anna", 776, "203.0.113.7:6000"));
    assert!(progress.headers.lists(HeaderName::Require, "100rel"));
    assert_eq!(rseq(&progress), "776");
    assert_hides(&progress, &["203.0.113."]);

    bed.receive_message(udp(CALLER), &prack(&progress, 2));
    let passed = bed.expect(AGENT, "PRACK");
    assert_eq!(passed.headers.get(HeaderName::RAck), Some("776 1 INVITE"));
    assert_eq!(passed.cseq().unwrap().number, 2);
    assert_eq!(passed.to_tag().as_deref(), Some("anna"));
    assert_hides(&passed, &["192.0.2."]);
    bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
    bed.expect(CALLER, "200");

    let ok = answer(&offer, 200, "anna");
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    assert_eq!(media_at(&bed, Side::Agent), "203.0.113.7:6000");
    // The dialog goes on where the early one stood.
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &ok, 3, CALLER));
    assert_eq!(bed.expect(AGENT, "BYE").cseq().unwrap().number, 3);
}

#[test]
fn a_lost_reliable_answer_passes_again_under_the_same_number() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let sent = reliable(&offer, "anna", 5, "203.0.113.7:6000");
    let first = ring(&mut bed, &sent);
    let again = ring(&mut bed, &sent);
    assert_eq!((rseq(&first), rseq(&again)), ("5".into(), "5".into()));
    // The PRACK was lost on its way to the agent: the caller repeats it, and it passes once.
    let prack = prack(&first, 2);
    bed.receive_message(udp(CALLER), &prack);
    bed.receive_message(udp(CALLER), &prack);
    let passed = bed.sent_to(AGENT);
    assert_eq!(passed.iter().filter(|m| name(m) == "PRACK").count(), 1);
}

#[test]
fn phones_of_a_fork_are_told_apart_by_the_number() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let first = ring(&mut bed, &reliable(&offer, "first", 9, "203.0.113.71:6000"));
    let second = ring(
        &mut bed,
        &reliable(&offer, "second", 9, "203.0.113.72:6000"),
    );
    assert_eq!((rseq(&first), rseq(&second)), ("9".into(), "10".into()));
    for (progress, cseq, tag) in [(&second, 2, "second"), (&first, 3, "first")] {
        bed.receive_message(udp(CALLER), &prack(progress, cseq));
        let passed = bed.expect(AGENT, "PRACK");
        assert_eq!(passed.to_tag().as_deref(), Some(tag));
        assert_eq!(passed.headers.get(HeaderName::RAck), Some("9 1 INVITE"));
        bed.receive_message(udp(AGENT), &answer(&passed, 200, tag));
        bed.expect(CALLER, "200");
    }
}

#[test]
fn a_prack_for_nothing_is_481_and_one_without_rack_400() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let progress = ring(&mut bed, &reliable(&offer, "anna", 1, "203.0.113.7:6000"));
    let mut wrong = in_dialog("PRACK", &progress, 2, CALLER);
    wrong.headers.push(HeaderName::RAck, "77 1 INVITE");
    bed.receive_message(udp(CALLER), &wrong);
    bed.expect(CALLER, "481");
    bed.receive_message(udp(CALLER), &in_dialog("PRACK", &progress, 3, CALLER));
    bed.expect(CALLER, "400");
    bed.expect_silence(AGENT);
}

#[test]
fn an_offer_in_a_reliable_answer_is_answered_in_the_prack() {
    let mut bed = Bed::new();
    let mut bare = invite();
    bare.body = bytes::Bytes::new();
    bare.headers.remove(HeaderName::ContentType);
    bed.receive_message(udp(CALLER), &bare);
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    let progress = ring(&mut bed, &reliable(&offer, "anna", 1, "203.0.113.7:6000"));
    let prack = with_sdp(prack(&progress, 2), "192.0.2.9", 4000);
    bed.receive_message(udp(CALLER), &prack);
    let passed = bed.expect(AGENT, "PRACK");
    assert!(!passed.body.is_empty());
    assert_hides(&passed, &["192.0.2."]);
    assert_eq!(media_at(&bed, Side::Client), "192.0.2.9:4000");
    assert_eq!(media_at(&bed, Side::Agent), "203.0.113.7:6000");
    bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
    bed.expect(CALLER, "200");
    bed.receive_message(udp(AGENT), &answer(&offer, 200, "anna"));
    bed.expect(AGENT, "ACK");
    pass_upstream(&mut bed, "200");
    bed.expect(CALLER, "200");
}

#[test]
fn an_update_while_ringing_moves_the_medium_either_way() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let progress = ring(&mut bed, &reliable(&offer, "anna", 1, "203.0.113.7:6000"));
    bed.receive_message(udp(CALLER), &prack(&progress, 2));
    let passed = bed.expect(AGENT, "PRACK");
    bed.receive_message(udp(AGENT), &answer(&passed, 200, "anna"));
    bed.expect(CALLER, "200");

    let update = with_sdp(
        in_dialog("UPDATE", &progress, 3, CALLER),
        "192.0.2.50",
        4400,
    );
    bed.receive_message(udp(CALLER), &update);
    let passed = bed.expect(AGENT, "UPDATE");
    assert_hides(&passed, &["192.0.2."]);
    let ok = with_sdp(answer(&passed, 200, "anna"), "203.0.113.8", 6100);
    bed.receive_message(udp(AGENT), &ok);
    assert_hides(&bed.expect(CALLER, "200"), &["203.0.113."]);
    assert_eq!(media_at(&bed, Side::Client), "192.0.2.50:4400");
    assert_eq!(media_at(&bed, Side::Agent), "203.0.113.8:6100");

    let update = with_sdp(from_agent("UPDATE", &offer, "anna", 7), "203.0.113.9", 6200);
    bed.receive_message(udp(AGENT), &update);
    let passed = bed.expect(CALLER, "UPDATE");
    assert_hides(&passed, &["203.0.113."]);
    let ok = with_sdp(answer(&passed, 200, "alice"), "192.0.2.51", 4500);
    bed.receive_message(udp(CALLER), &ok);
    bed.expect(AGENT, "200");
    assert_eq!(media_at(&bed, Side::Client), "192.0.2.51:4500");
    assert_eq!(media_at(&bed, Side::Agent), "203.0.113.9:6200");

    // The answer has no description: what the UPDATE agreed on holds.
    bed.receive_message(udp(AGENT), &answer(&offer, 200, "anna"));
    bed.expect(AGENT, "ACK");
    assert_eq!(media_at(&bed, Side::Client), "192.0.2.51:4500");
    assert_eq!(media_at(&bed, Side::Agent), "203.0.113.9:6200");
}

#[test]
fn an_update_before_the_first_answer_waits() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    pass_upstream(&mut bed, "180");
    let ringing = bed.expect(CALLER, "180");
    let update = with_sdp(in_dialog("UPDATE", &ringing, 2, CALLER), "192.0.2.50", 4400);
    bed.receive_message(udp(CALLER), &update);
    let refused = bed.expect(CALLER, "500");
    assert!(refused.headers.get(HeaderName::RetryAfter).is_some());
    let update = with_sdp(from_agent("UPDATE", &offer, "anna", 1), "203.0.113.9", 6200);
    bed.receive_message(udp(AGENT), &update);
    bed.expect(AGENT, "491");
    // Without an offer there is nothing to cross.
    bed.receive_message(udp(CALLER), &in_dialog("UPDATE", &ringing, 3, CALLER));
    bed.expect(AGENT, "UPDATE");
}

#[test]
fn a_refused_early_update_leaves_what_was_agreed() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let progress = ring(&mut bed, &reliable(&offer, "anna", 1, "203.0.113.7:6000"));
    let update = with_sdp(
        in_dialog("UPDATE", &progress, 2, CALLER),
        "192.0.2.50",
        4400,
    );
    bed.receive_message(udp(CALLER), &update);
    let passed = bed.expect(AGENT, "UPDATE");
    bed.receive_message(udp(AGENT), &answer(&passed, 488, "anna"));
    bed.expect(CALLER, "488");
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    assert_eq!(media_at(&bed, Side::Client), "192.0.2.9:4000");
    assert_eq!(media_at(&bed, Side::Agent), "203.0.113.7:6000");
}

#[test]
fn a_bye_in_the_early_dialog_cancels_the_call() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    bed.receive_message(udp(AGENT), &answer(&offer, 180, "anna"));
    pass_upstream(&mut bed, "180");
    let ringing = bed.expect(CALLER, "180");
    bed.receive_message(udp(AGENT), &from_agent("BYE", &offer, "anna", 1));
    bed.expect(AGENT, "481");
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &ringing, 2, CALLER));
    bed.expect(CALLER, "200");
    bed.expect(AGENT, "CANCEL");
    bed.receive_message(udp(AGENT), &answer(&offer, 487, "anna"));
    assert_eq!(bed.core.live_sessions(), 0);
}
