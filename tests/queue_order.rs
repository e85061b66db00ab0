//! One agent, several callers: each is told that it waits, and they are served in their order.

use crate::support;

use std::time::Duration;

use support::sipp::Phone;
use support::{CALL, CALLER, Centre, SOON, Sipp, have};

// A4 A5
#[test]
fn waiting_callers_are_told_so_and_served_in_the_order_in_which_they_came() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let anna = Sipp::agent("agent.xml", agent_at, &centre)
        .calls(4)
        .hold(Duration::from_millis(50))
        .start();
    let first = Sipp::caller("caller.xml", CALLER, &centre)
        .named("carla0")
        .hold(Duration::from_secs(4))
        .start();
    first.answered();
    let waiting: Vec<Phone> = ["carla1", "carla2", "carla3"]
        .iter()
        .map(|name| {
            let caller = Sipp::caller("caller_queued.xml", CALLER, &centre)
                .named(name)
                .hold(Duration::from_millis(300))
                .start();
            caller.receives("182", SOON, |sip| sip.status() == Some(182));
            caller
        })
        .collect();
    assert_eq!(centre.contacts().len(), 4);
    first.succeeds(CALL);
    for caller in waiting {
        caller.succeeds(CALL);
    }
    let seen = anna.succeeds(CALL);
    let callers: Vec<String> = support::sipp::received(&seen)
        .filter(|sip| sip.is_request("INVITE"))
        .filter_map(|sip| sip.header("From"))
        .map(|from| {
            let start = from.find("sip:").map_or(0, |at| at + 4);
            from[start..].chars().take_while(|c| *c != '@').collect()
        })
        .collect();
    assert_eq!(callers, ["carla0", "carla1", "carla2", "carla3"]);
    centre.wait_empty();
}
