//! The caller hangs up while a phone rings.
use crate::support::{Scene, TWO_AGENTS};
use patchbay_route::transfer::Carrier;

in_each_form!(
    the_phone_stops_ringing_and_the_caller_gets_487,
    a_phone_that_does_not_let_go_delays_the_487_but_does_not_prevent_it,
);

// B6
fn the_phone_stops_ringing_and_the_caller_gets_487(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    let invite = scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 180);
    scene.expect(180);
    scene.cancel(&invite);
    scene.expect_cancel(&transfer);
    // The 487 waits for the phone to let go: an answer may be on its way.
    scene.expect_nothing();
    scene.refuse(&transfer, 487);
    let terminated = scene.expect(487);
    scene.ack(&invite, &terminated);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);

    // The agent is free for the next caller.
    scene.seconds(6);
    scene.call("call-2");
    let next = scene.next().unwrap();
    assert!(next.is_request(), "{next:?}");
}

fn a_phone_that_does_not_let_go_delays_the_487_but_does_not_prevent_it(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    let invite = scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 180);
    scene.expect(180);
    scene.cancel(&invite);
    scene.expect_cancel(&transfer);
    scene.seconds(34);
    let terminated = scene.expect(487);
    scene.ack(&invite, &terminated);
    scene.seconds(120);
    scene.expect_nothing();
}
