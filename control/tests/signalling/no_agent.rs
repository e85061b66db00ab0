//! No agent is there: the caller is refused or waits, as the queue says.
use crate::support::{ONE_REGISTERS, Scene};
use patchbay_sip::HeaderName;

// A5
#[test]
fn without_any_agent_the_caller_hears_480_and_when_to_call_again() {
    let refuse = ONE_REGISTERS.replace("when_no_agents = \"wait\"", "retry_after_seconds = 45");
    let mut scene = Scene::new(&refuse);
    let invite = scene.call("call-1");
    let refused = scene.expect(480);
    assert_eq!(refused.headers.get(HeaderName::RetryAfter), Some("45"));
    let warning = refused.headers.get(HeaderName::Warning).unwrap();
    assert!(warning.contains("no agent"), "{warning}");
    scene.ack(&invite, &refused);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_refused").len(), 1);
}

#[test]
fn where_callers_may_wait_they_are_told_and_reminded_every_minute() {
    let mut scene = Scene::new(ONE_REGISTERS);
    scene.call("call-1");
    let queued = scene.expect(182);
    assert_eq!(queued.cseq().unwrap().number, 1);
    scene.seconds(59);
    scene.expect_nothing();
    scene.seconds(2);
    let again = scene.expect(182);
    assert_eq!(again.to_tag(), queued.to_tag());
    scene.expect_nothing();
}

#[test]
fn a_centre_without_a_declaration_is_unavailable() {
    let mut scene = Scene::new("");
    scene.call("call-1");
    scene.expect(503);
}
