//! An agent that is busy passes the call to the next (A5).
use crate::support::{Scene, TWO_AGENTS};
use patchbay_route::transfer::Carrier;

in_each_form!(
    a_busy_agent_passes_the_call_on_and_the_caller_hears_nothing_of_it,
    when_all_are_busy_the_caller_waits_and_the_first_to_be_free_is_tried_again,
);

// A5
fn a_busy_agent_passes_the_call_on_and_the_caller_hears_nothing_of_it(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.answer(&first, 180);
    scene.expect(180);
    scene.refuse(&first, 486);
    let second = scene.expect_transfer("bert");
    assert_ne!(second.target.offer, first.target.offer);
    assert_eq!(second.target.contact, first.target.contact);
    scene.answer(&second, 200);
    assert_eq!(
        scene.expect(200).to_tag().as_deref(),
        Some(second.to_tag.as_str())
    );
    scene.expect_nothing();
    let failed = scene.events_named("offer_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["why"], "busy");
}

fn when_all_are_busy_the_caller_waits_and_the_first_to_be_free_is_tried_again(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.refuse(&first, 486);
    let second = scene.expect_transfer("bert");
    scene.refuse(&second, 486);
    scene.expect(182);
    scene.expect_nothing();
    scene.seconds(6);
    let third = scene.next().unwrap();
    assert!(third.is_request(), "{third:?}");
}
