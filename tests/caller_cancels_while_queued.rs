//! The caller hangs up while nobody has been asked yet.

use crate::support;

use support::{CALL, CALLER, Centre, Declaration, Sipp, have, until};

// A4 B6
#[test]
fn a_waiting_caller_who_hangs_up_leaves_the_queue() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.agent_address();
    let agent = format!("uri = \"sip:anna@{agent_at}\"\npaused = true");
    centre.apply(&Declaration::new().agent("anna", &agent));
    // Anna's phone fails the test if a call reaches it: the scenario wants no call at all.
    let phone = support::raw::Raw::open(agent_at.ip(), &centre.ports, centre.edge);
    let caller = Sipp::caller("caller_cancels.xml", CALLER, &centre)
        .word("before", "181")
        .word("after", "182")
        .start();
    until("the caller waits", CALL, || {
        (centre.contacts().len() == 1).then_some(())
    });
    caller.succeeds(CALL);
    until("the queue is empty", CALL, || {
        centre.contacts().is_empty().then_some(())
    });
    assert!(centre.relay_sessions().is_empty());
    assert!(phone.all(std::time::Duration::from_millis(200)).is_empty());
}
