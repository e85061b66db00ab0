//! A queue that is full, and one in which the wait becomes too long.

use crate::support;

use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have, until};

// A4
#[test]
fn a_full_queue_and_a_long_wait_are_refused_with_480_and_retry_after() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent = format!(
        "uri = \"sip:anna@{}\"\npaused = true",
        centre.agent_address()
    );
    let declaration = Declaration::new()
        .queue("max_length", 1)
        .queue("max_wait_seconds", 3)
        .queue("retry_after_seconds", 21)
        .agent("anna", &agent);
    centre.apply(&declaration);
    let call = || {
        let caller = Sipp::caller("caller_refused.xml", CALLER, &centre);
        caller.word("status", "480").start()
    };
    let mut patient = call();
    patient.receives("182", SOON, |sip| sip.status() == Some(182));
    // There is no place for a second one: refused at once, while the first still waits.
    for seen in [call().succeeds(SOON), {
        assert!(!patient.ended(), "the first caller still waits");
        patient.succeeds(CALL)
    }] {
        let refusal = support::sipp::received(&seen)
            .find(|sip| sip.status() == Some(480))
            .expect("a refusal");
        assert_eq!(refusal.header("Retry-After"), Some("21"));
    }
    until("nobody waits", SOON, || {
        centre.contacts().is_empty().then_some(())
    });
}
