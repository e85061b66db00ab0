//! The same INVITE comes again: from the same hop, by another way, or from ourselves.
use crate::support::{ONE_REGISTERS, Scene, TWO_AGENTS};
use patchbay_control::signalling::Drop;
use patchbay_sip::HeaderName;

#[test]
fn a_retransmission_repeats_the_last_answer_and_makes_no_second_contact() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let invite = scene.call("call-1");
    let queued = scene.expect(182);
    scene.receive(&invite);
    assert_eq!(scene.expect(182), queued);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_typed").len(), 1);
    scene.cancel(&invite);
    let terminated = scene.expect(487);
    scene.receive(&invite);
    assert_eq!(scene.expect(487), terminated);
}

#[test]
fn a_retransmission_while_a_phone_rings_is_not_transferred_again() {
    let mut scene = Scene::new(TWO_AGENTS);
    let invite = scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 180);
    scene.expect(180);
    scene.receive(&invite);
    scene.expect(180);
    scene.expect_nothing();
}

// RFC 3261 section 8.2.2.2
#[test]
fn the_same_request_by_another_way_is_answered_482() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.call("call-1");
    scene.expect_transfer("anna");
    scene.call("call-1");
    scene.expect(482);
    scene.expect_nothing();
    assert_eq!(
        scene.machine.signalling().counters().dropped(Drop::Merged),
        1
    );
}

// RFC 3261 section 16.3 step 4
#[test]
fn our_own_request_coming_back_is_answered_482() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    let mut back = transfer.invite.clone();
    back.headers.push_front(
        HeaderName::Via,
        "SIP/2.0/TCP 127.0.0.1:40001;branch=z9hG4bKback",
    );
    scene.receive(&back);
    scene.expect(482);
    assert_eq!(
        scene.machine.signalling().counters().dropped(Drop::Looped),
        1
    );
}
