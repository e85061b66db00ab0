//! The caller hangs up while the agent's phone rings.

use crate::support;

use std::time::Duration;

use support::{CALL, CALLER, Centre, SOON, Sipp, have};

// B6
#[test]
fn a_cancelled_call_stops_ringing_and_the_agent_is_free_again() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent_does_not_answer.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_cancels.xml", CALLER, &centre)
        .hold(Duration::from_millis(300))
        .word("before", "182")
        .word("after", "180")
        .start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.wait_available("anna");
}
