//! A caller who waits, and the wait that the API expects for it.

use crate::support;

use std::time::Duration;

use support::{CALL, CALLER, Centre, SOON, Sipp, have, until};

// D1 G9
#[test]
fn the_api_tells_how_long_a_caller_is_expected_to_wait_and_how_far_that_was_off() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.declare_anna();
    let anna = Sipp::agent("agent.xml", at, &centre).calls(3).start();
    let queue = || centre.api.list("/api/v1/queues")[0].clone();
    assert_eq!(queue()["expected_wait_ms"], 0, "somebody is free");
    let call = |name: &str, scenario, hold_ms| {
        Sipp::caller(scenario, CALLER, &centre)
            .named(name)
            .hold(Duration::from_millis(hold_ms))
            .start()
    };
    call("carla0", "caller.xml", 1_000).succeeds(CALL);
    centre.wait_empty();
    centre.wait_available("anna");
    let first = call("carla1", "caller.xml", 2_000);
    first.answered();
    let second = call("carla2", "caller_queued.xml", 100);
    second.receives("182", SOON, |sip| sip.status() == Some(182));
    let seen = queue();
    let expected = seen["waiting"][0]["expected_ms"].as_u64().expect("a wait");
    // About two thirds of the one call that was handled: half of all wait less.
    assert!((300..5_000).contains(&expected), "{seen}");
    let next = seen["expected_wait_ms"].as_u64().expect("a wait");
    assert!(next > expected, "behind the other: {seen}");
    first.succeeds(CALL);
    second.succeeds(CALL);
    anna.succeeds(SOON);
    until("the error is told", SOON, || {
        queue()["expected_wait_error_ms"].as_u64()
    });
    centre.wait_empty();
}
