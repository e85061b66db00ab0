//! The chosen agent's phone rings and nobody picks up: it is cancelled, and the next agent rings.

use crate::support;

use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have};

// A4 A5
#[test]
fn an_unanswered_call_moves_on_to_the_next_agent() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let (first, second) = (centre.agent_address(), centre.agent_address());
    let declaration = Declaration::new()
        .queue("ring_seconds", 1)
        .wants("support = 1")
        .agent(
            "anna",
            &format!("uri = \"sip:anna@{first}\"\nskills = {{ support = 9 }}"),
        )
        .agent(
            "ben",
            &format!("uri = \"sip:ben@{second}\"\nskills = {{ support = 1 }}"),
        );
    centre.apply(&declaration);
    let anna = Sipp::agent("agent_does_not_answer.xml", first, &centre).start();
    let ben = Sipp::agent("agent.xml", second, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    anna.succeeds(SOON);
    ben.succeeds(SOON);
    centre.wait_empty();
}
