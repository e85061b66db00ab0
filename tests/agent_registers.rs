//! Agents' phones register through the edge with digest, and are called where they registered from.

use crate::support;

use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have};

/// sipp 3.6 knows MD5 only and gives up when anything else is offered first.
fn centre_for_old_phones() -> Centre {
    Setup::default().control(support::centre::MD5_ONLY).start()
}

// A5 D12
#[test]
fn a_phone_that_registers_gets_calls_until_it_unregisters() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = centre_for_old_phones();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    let phone = centre.agent_address();
    let register = |seconds: &str| {
        let phone = Sipp::register("anna", "secret", phone, &centre)
            .word("seconds", seconds)
            .word("status", "200");
        phone.start().succeeds(SOON)
    };
    register("600");
    centre.wait_available("anna");

    let agent = Sipp::agent("agent.xml", phone, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    let seen = agent.succeeds(SOON);
    let invite = support::sipp::received(&seen)
        .find(|sip| sip.is_request("INVITE"))
        .expect("an INVITE");
    assert!(
        invite
            .start()
            .starts_with(&format!("INVITE sip:anna@{phone}")),
        "the phone is asked by the name that it gave: {}",
        invite.start()
    );
    centre.wait_empty();

    register("0");
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "480")
        .start();
    caller.succeeds(CALL);
}

// A5
#[test]
fn a_wrong_password_registers_nothing() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = centre_for_old_phones();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    let phone = centre.agent_address();
    let intruder = Sipp::register("anna", "guess", phone, &centre)
        .word("seconds", "600")
        .word("status", "401")
        .start();
    // RFC 3261 lets the registrar ask again (401) or refuse (403).
    intruder.receives("a refusal", SOON, |sip| {
        matches!(sip.status(), Some(401 | 403))
            && sip.header("CSeq").is_some_and(|cseq| cseq.starts_with('2'))
    });
    drop(intruder);
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "480")
        .start();
    caller.succeeds(CALL);
}
