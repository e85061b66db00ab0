//! SIGTERM: calls that stand go on until they end, new ones go elsewhere, then the process leaves.

#![allow(clippy::expect_used, clippy::panic)]

use crate::support;

use std::time::Duration;

use support::{CALL, CALLER, Centre, Media, SOON, Setup, Sipp, have, until};

fn drains(setup: Setup) {
    let mut centre = setup.start();
    let agent_at = centre.declare_anna();
    let carla = Media::open(CALLER, &centre.ports);
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(5))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let process = centre
        .relay_process
        .as_ref()
        .unwrap_or(&centre.control_process);
    process.signal("TERM");
    until("the relay says that it is draining", SOON, || {
        let answer = centre.relay_api.try_request("GET", "/readyz", None)?;
        (answer.status == 503).then_some(())
    });
    let late = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "503")
        .start();
    late.succeeds(CALL);
    carla.talk(to_anna, 1, 50);
    carla.wait_intact(carla.ssrc(), 50, SOON);

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    let process = centre
        .relay_process
        .as_mut()
        .unwrap_or(&mut centre.control_process);
    let status = process.wait(SOON);
    assert!(status.success(), "it left with {status}");
}

// F4
#[test]
fn the_whole_centre_drains_before_it_stops() {
    if have(&["sipp"]) {
        drains(Setup::default());
    }
}

// F4
#[test]
fn a_relay_of_its_own_drains_before_it_stops() {
    if have(&["sipp"]) {
        drains(Setup::default().apart());
    }
}

// F4
#[test]
fn an_idle_centre_stops_at_once() {
    let mut centre = Centre::start();
    centre.control_process.signal("TERM");
    let status = centre.control_process.wait(SOON);
    assert!(status.success(), "it left with {status}");
}
