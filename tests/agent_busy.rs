//! The chosen agent's phone refuses: the next agent gets the call, and the caller never knows.

use crate::support;

use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have};

// A4 A5
#[test]
fn a_busy_agent_is_passed_over_for_the_next() {
    if !have(&["sipp"]) {
        return;
    }
    for (status, reason) in [("486", "Busy Here"), ("603", "Decline")] {
        let centre = Centre::start();
        let (first, second) = (centre.agent_address(), centre.agent_address());
        centre.apply(&two_agents(first, second));
        let anna = Sipp::agent("agent_refuses.xml", first, &centre)
            .word("status", status)
            .word("reason", reason)
            .start();
        let ben = Sipp::agent("agent.xml", second, &centre).start();
        let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
        caller.succeeds(CALL);
        anna.succeeds(SOON);
        ben.succeeds(SOON);
        centre.wait_empty();
    }
}

// A4 A5
#[test]
fn an_agent_whose_phone_is_gone_is_passed_over_for_the_next() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let (nobody, second) = (centre.agent_address(), centre.agent_address());
    centre.apply(&two_agents(nobody, second).queue("ring_seconds", 2));
    let ben = Sipp::agent("agent.xml", second, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    ben.succeeds(SOON);
    centre.wait_empty();
}

/// Anna is the better one and is asked first.
fn two_agents(anna: std::net::SocketAddr, ben: std::net::SocketAddr) -> Declaration {
    Declaration::new()
        .wants("support = 1")
        .agent(
            "anna",
            &format!("uri = \"sip:anna@{anna}\"\nskills = {{ support = 9 }}"),
        )
        .agent(
            "ben",
            &format!("uri = \"sip:ben@{ben}\"\nskills = {{ support = 1 }}"),
        )
}
