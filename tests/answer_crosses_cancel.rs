//! Answer and CANCEL meet on the way: whoever wins, nobody is left in half a call.

use crate::support;

use support::{CALL, CALLER, Centre, SOON, Sipp, have};

// B6
#[test]
fn an_agent_who_picks_up_while_the_caller_hangs_up_is_hung_up_on() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent_answers_while_cancelled.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_cancels.xml", CALLER, &centre)
        .word("before", "182")
        .word("after", "180")
        .start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.wait_available("anna");
}

// B6
#[test]
fn a_cancel_that_comes_after_the_answer_changes_nothing() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_cancels_late.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
}
