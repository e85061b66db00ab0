//! Callers who cannot stay in their queue: sent to another one, redirected, or refused as declared;
//! and an automated agent that takes several calls at a time.

use crate::support;

use std::time::Duration;

use support::sipp::received;
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have, until};

// A4 D14
#[test]
fn a_caller_who_waited_is_served_by_the_other_queue() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let [slow, quick] = [centre.agent_address(), centre.agent_address()];
    let others = "[[queue]]\nid = \"others\"\n";
    centre.apply(
        &Declaration::new()
            .queue(
                "overflow",
                "[{ when = \"waited\", after_seconds = 1, queue = \"others\" }]",
            )
            .agent(
                "anna",
                &format!("uri = \"sip:anna@{slow}\"\nqueues = [\"support\"]"),
            )
            .agent(
                "bert",
                &format!("uri = \"sip:bert@{quick}\"\nqueues = [\"others\"]"),
            )
            .rules(others),
    );
    let busy = Sipp::agent("agent.xml", slow, &centre).start();
    let bert = Sipp::agent("agent.xml", quick, &centre).start();
    let first = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_secs(4))
        .start();
    first.answered();
    let second = Sipp::caller("caller_queued.xml", CALLER, &centre)
        .hold(Duration::from_millis(300))
        .start();
    second.receives("182", SOON, |sip| sip.status() == Some(182));
    second.succeeds(CALL);
    bert.succeeds(SOON);
    first.succeeds(CALL);
    busy.succeeds(SOON);
    centre.wait_empty();
}

// A4 D14
#[test]
fn a_caller_whom_nobody_can_serve_is_told_whom_to_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    centre.apply(
        &Declaration::new()
            .queue(
                "overflow",
                "[{ when = \"no_agents\", redirect = \"sip:mail@voice.example\" }]",
            )
            .registers("anna", "secret"),
    );
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "302")
        .start();
    let seen = caller.succeeds(CALL);
    let moved = received(&seen).find(|sip| sip.status() == Some(302));
    let contact = moved.and_then(|sip| sip.header("Contact"));
    assert_eq!(contact, Some("<sip:mail@voice.example>"));
    until("the contact is past", SOON, || {
        let past = centre.api.get("/api/v1/contacts");
        (past["past"][0]["outcome"] == "redirected").then_some(())
    });
}

// A4 D6
#[test]
fn an_automated_agent_takes_several_calls_at_a_time() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.agent_address();
    let keys = format!("uri = \"sip:bot@{at}\"\ncapacity = 2");
    centre.apply(&Declaration::new().agent("bot", &keys));
    let bot = Sipp::agent("agent.xml", at, &centre).calls(3).start();
    let callers = ["carla0", "carla1"].map(|name| {
        let caller = Sipp::caller("caller.xml", CALLER, &centre)
            .named(name)
            .hold(Duration::from_secs(3))
            .start();
        caller.answered();
        caller
    });
    let third = Sipp::caller("caller_queued.xml", CALLER, &centre)
        .named("carla2")
        .hold(Duration::from_millis(300))
        .start();
    third.receives("182", SOON, |sip| sip.status() == Some(182));
    assert_eq!(centre.agent("bot")["calls"], 2);
    for caller in callers {
        caller.succeeds(CALL);
    }
    third.succeeds(CALL);
    bot.succeeds(SOON);
    centre.wait_empty();
}
