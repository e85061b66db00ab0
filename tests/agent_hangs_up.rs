//! The agent ends the call.

use crate::support;

use support::{CALL, CALLER, Centre, SOON, Sipp, have};

// B6
#[test]
fn a_bye_from_the_agent_ends_the_call_on_both_sides() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent_hangs_up.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_waits_for_bye.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.wait_available("anna");
}
