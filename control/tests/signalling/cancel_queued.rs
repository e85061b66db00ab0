//! The caller hangs up while it waits.
use crate::support::{ONE_REGISTERS, Scene};

#[test]
fn a_caller_that_hangs_up_while_waiting_gets_487_and_leaves_the_queue() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let invite = scene.call("call-1");
    let queued = scene.expect(182);
    scene.cancel(&invite);
    let terminated = scene.expect(487);
    assert_eq!(terminated.to_tag(), queued.to_tag());
    scene.ack(&invite, &terminated);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);
    let now = scene.now();
    assert!(scene.machine.snapshot(now).contacts.is_empty());

    // The agent who comes now is not called for it.
    let request = scene.register_request("anna", Some("<sip:anna@198.51.100.1>"), 1);
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );
    scene.expect_nothing();
    // A second CANCEL finds a call that is over.
    assert_eq!(scene.cancel_status(&invite), 481);
    scene.expect_nothing();
}
