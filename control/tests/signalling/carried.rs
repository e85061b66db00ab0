//! Transfers in envelopes (B4): what is no answer to one, and relays that do not take them.
use crate::support::{Scene, TWO_AGENTS};
use patchbay_control::signalling::Drop;
use patchbay_route::transfer::{CONTROL_URI, Carrier, TRANSFER_URI};
use patchbay_sip::carried::{envelope, is_envelope};
use patchbay_sip::{HeaderName, Message, Method};

fn dropped(scene: &Scene, why: Drop) -> u64 {
    scene.machine.signalling().counters().dropped(why)
}

/// What a host sends to control with this body.
fn carrying(body: Vec<u8>, name: &str) -> Message {
    let mut message = envelope(body.into(), TRANSFER_URI, CONTROL_URI, name).unwrap();
    let via = format!("SIP/2.0/TCP 127.0.0.1:40001;branch=z9hG4bK{name}");
    message.headers.push_front(HeaderName::Via, via);
    message
}

// B4
#[test]
fn a_relay_that_does_not_take_an_envelope_is_one_whose_agents_cannot_be_reached() {
    for status in [403, 415, 503] {
        // Nobody takes envelopes apart here.
        let mut scene = Scene::new(TWO_AGENTS);
        scene.carries_by_message();
        scene.call("call-1");
        for agent in ["anna", "bert"] {
            let message = scene.next().expect("a MESSAGE");
            assert!(is_envelope(&message), "{message:?}");
            assert_eq!(message.max_forwards(), Some(0));
            assert!(message.body.starts_with(b"INVITE sip:relay.invalid;agent="));
            let body = String::from_utf8_lossy(&message.body).into_owned();
            assert!(body.contains(&format!("agentid={agent};")), "{body}");
            scene.receive(&Message::response_to(&message, status, ""));
        }
        scene.expect(182);
        assert_eq!(dropped(&scene, Drop::CarriedLost), 2);
        let failed = scene.events_named("offer_failed");
        assert_eq!(failed.len(), 2);
        assert_eq!(failed[0]["why"], "unreachable");
    }
}

// B4
#[test]
fn an_envelope_that_nobody_answers_fails_in_its_time() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.carries_by_message();
    scene.call("call-1");
    assert!(is_envelope(&scene.next().unwrap()));
    scene.seconds(120);
    assert!(dropped(&scene, Drop::CarriedLost) > 0);
    assert!(!scene.events_named("offer_failed").is_empty());
}

// B4
#[test]
fn what_carries_no_answer_is_refused_and_counted() {
    let mut scene = Scene::by(Carrier::Message, TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    let bodies = [
        transfer.invite.encode().to_vec(),
        b"nonsense".to_vec(),
        Vec::new(),
        carrying(transfer.response(200).encode().to_vec(), "inner")
            .encode()
            .to_vec(),
    ];
    for (count, body) in (1..).zip(bodies) {
        scene.receive_raw(&carrying(body, &format!("bad{count}")), 400);
        assert_eq!(dropped(&scene, Drop::CarriedMalformed), count);
    }
    scene.expect_nothing();
}

// B4
#[test]
fn what_the_edge_passes_on_for_others_is_not_taken_for_a_relays_word() {
    let mut scene = Scene::by(Carrier::Message, TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    let mut foreign = carrying(transfer.response(200).encode().to_vec(), "foreign");
    foreign
        .headers
        .push("P-Patchbay-Source", "udp;192.0.2.66:5060");
    scene.receive_raw(&foreign, 405);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 0);
}

// B4
#[test]
fn an_invite_that_no_body_can_hold_fails_without_a_word_to_the_relay() {
    let mut scene = Scene::by(Carrier::Message, TWO_AGENTS);
    let mut invite = scene.request(Method::Invite, "sip:support@example.com", "call-1", 1);
    invite
        .headers
        .push(HeaderName::Contact, "<sip:alice@192.0.2.10>");
    let mut body = crate::support::sdp("0 8 101");
    while body.len() < 32_000 {
        body.push_str("a=x-padding:0123456789012345678901234567890123456789\r\n");
    }
    invite.set_body("application/sdp", body);
    scene.receive(&invite);
    scene.expect(182);
    assert_eq!(dropped(&scene, Drop::NotSent), 2);
    scene.expect_nothing();
}
