//! The only agent leaves while a caller waits for her: nobody rings an empty desk.

use crate::support;

use std::time::Duration;

use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have, until};

fn register(user: &str, phone: std::net::SocketAddr, centre: &Centre, seconds: &str) {
    let registering = Sipp::register(user, "secret", phone, centre)
        .word("seconds", seconds)
        .word("status", "200");
    registering.start().succeeds(SOON);
}

// A4 A5
#[test]
fn a_waiting_caller_is_not_offered_to_an_agent_who_has_unregistered() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Setup::default().control(support::centre::MD5_ONLY).start();
    let declaration = Declaration::new()
        .registers("anna", "secret")
        .registers("ben", "secret");
    centre.apply(&declaration);
    let (annas, bens) = (centre.agent_address(), centre.agent_address());
    register("anna", annas, &centre, "600");
    let anna = Sipp::agent("agent.xml", annas, &centre).calls(2).start();
    let first = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_secs(4))
        .start();
    first.answered();
    let second = Sipp::caller("caller_queued.xml", CALLER, &centre).start();
    second.receives("182", SOON, |sip| sip.status() == Some(182));

    // Anna's phone says goodbye from another port, for the binding that the call still uses.
    let goodbye = Sipp::register("anna", "secret", annas, &centre)
        .at(centre.agent_address())
        .word("seconds", "0")
        .word("status", "200");
    goodbye.start().succeeds(SOON);
    first.succeeds(CALL);
    until("the first call is over", SOON, || {
        centre.relay_sessions().is_empty().then_some(())
    });

    // The caller goes on waiting until somebody comes.
    register("ben", bens, &centre, "600");
    let ben = Sipp::agent("agent.xml", bens, &centre).start();
    second.succeeds(CALL);
    ben.succeeds(SOON);
    let seen = anna.messages();
    let invites = support::sipp::received(&seen).filter(|sip| sip.is_request("INVITE"));
    assert_eq!(invites.count(), 1, "anna got the first call only");
    centre.wait_empty();
}
