//! Nobody is there: the caller is told so at once, and when to try again.

use crate::support;

use support::{CALL, CALLER, Centre, Declaration, Sipp, have};

// A4
#[test]
fn a_call_that_no_agent_can_take_is_refused_with_480_and_retry_after() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    // Ben is declared, but his phone has never registered.
    let declaration = Declaration::new()
        .queue("retry_after_seconds", 17)
        .registers("ben", "secret");
    centre.apply(&declaration);
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "480")
        .start();
    let seen = caller.succeeds(CALL);
    let refusal = support::sipp::received(&seen)
        .find(|sip| sip.status() == Some(480))
        .expect("a refusal");
    assert_eq!(refusal.header("Retry-After"), Some("17"));
    centre.wait_empty();
    assert!(centre.contacts().is_empty());
}

// A3
#[test]
fn a_call_that_no_rule_knows_is_refused() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    centre.declare_anna();
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .calls_for("nobody-by-this-name")
        .word("status", "404")
        .start();
    caller.succeeds(CALL);
    centre.wait_available("anna");
}
