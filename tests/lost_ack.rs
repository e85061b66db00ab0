//! The caller never confirms the answer: it is repeated for 32 seconds, then both sides are hung up on.

use crate::support;

use std::time::Duration;

use support::{CALLER, Centre, SOON, Sipp, have};

/// 64 times T1 (RFC 3261 section 13.3.1.4), and some room.
const PATIENCE: Duration = Duration::from_secs(50);

// B6
#[test]
fn an_answer_without_ack_is_repeated_and_then_ends_the_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent_without_ack.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller_never_acks.xml", CALLER, &centre).start();
    let seen = caller.succeeds(PATIENCE);
    let answers = support::sipp::received(&seen).filter(|sip| sip.is_answer(200, "INVITE"));
    let answers = answers.count();
    assert!(answers >= 8, "the answer came {answers} times");
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.wait_available("anna");
}
