//! A phone that nobody picks up is cancelled, and the next is tried (A5).
use crate::support::{Scene, TWO_AGENTS};
use patchbay_route::transfer::Carrier;

in_each_form!(
    a_phone_that_rings_out_is_cancelled_and_the_next_one_rings,
    a_relay_that_never_answers_does_not_keep_the_caller_for_ever,
);

// A5
fn a_phone_that_rings_out_is_cancelled_and_the_next_one_rings(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.answer(&first, 180);
    scene.expect(180);
    scene.seconds(19);
    scene.expect_nothing();
    scene.seconds(2);
    scene.expect_cancel(&first);
    let second = scene.expect_transfer("bert");
    scene.refuse(&first, 487);
    scene.answer(&second, 180);
    scene.expect(180);
    scene.answer(&second, 200);
    scene.expect(200);
    scene.expect_nothing();
    let failed = scene.events_named("offer_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["why"], "no_answer");
}

fn a_relay_that_never_answers_does_not_keep_the_caller_for_ever(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    let invite = scene.call("call-1");
    // No 100 from the relay, nothing at all.
    let silent = scene.next().unwrap();
    assert!(silent.is_request());
    scene.cancel(&invite);
    // The CANCEL may not be sent before a provisional answer (RFC 3261 section 9.1).
    scene.expect_nothing();
    scene.seconds(34);
    assert_eq!(scene.expect(487).call_id().unwrap(), "call-1");
    scene.seconds(120);
    scene.expect_nothing_but_repeats(487);
}
