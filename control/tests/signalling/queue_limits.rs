//! A queue is full, or a caller has waited as long as it may.
use crate::support::{ONE_REGISTERS, Scene};
use patchbay_sip::HeaderName;

#[test]
fn a_full_queue_refuses_the_next_caller_with_retry_after() {
    let full = ONE_REGISTERS.replace("max_wait_seconds = 300", "max_length = 1");
    let mut scene = Scene::new(&full);
    scene.call("call-1");
    scene.expect(182);
    scene.call("call-2");
    let refused = scene.expect(480);
    assert_eq!(refused.headers.get(HeaderName::RetryAfter), Some("30"));
    assert!(
        refused
            .headers
            .get(HeaderName::Warning)
            .unwrap()
            .contains("full")
    );
    scene.expect_nothing();
}

#[test]
fn who_has_waited_as_long_as_the_queue_allows_is_refused_with_retry_after() {
    let short = ONE_REGISTERS.replace("max_wait_seconds = 300", "max_wait_seconds = 20");
    let mut scene = Scene::new(&short);
    let invite = scene.call("call-1");
    scene.expect(182);
    scene.seconds(19);
    scene.expect_nothing();
    scene.seconds(2);
    let refused = scene.expect(480);
    assert_eq!(refused.headers.get(HeaderName::RetryAfter), Some("30"));
    scene.ack(&invite, &refused);
    scene.seconds(120);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_refused").len(), 1);
    assert_eq!(scene.machine.signalling().calls(), 0);
}
