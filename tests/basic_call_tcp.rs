//! The same call over TCP, on the caller's and on the agent's side.

use crate::support;

use std::time::Duration;

use support::capture::{Protocol, assert_hidden};
use support::{AGENT, CALL, CALLER, Capture, Centre, Declaration, Media, RELAY, SOON, Sipp, have};

// A1 A5 A6 B6 B7
#[test]
fn a_call_over_tcp_carries_audio_both_ways_and_hides_each_side() {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.agent_address();
    centre.apply(&Declaration::new().at_tcp("anna", agent_at));
    let capture = Capture::of_parties(&centre.ports);
    let carla = Media::open(CALLER, &centre.ports);
    // The agent's phone plays back what it hears.
    let agent = Sipp::agent("agent.xml", agent_at, &centre).tcp().start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .tcp()
        .media(&carla)
        .hold(Duration::from_secs(3))
        .start();

    let to_anna = caller.answered().audio().expect("an answer with audio");
    carla.talk(to_anna, 1, 50);
    carla.wait_intact(carla.ssrc(), 50, SOON);

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();

    let seen = capture.stop();
    assert_hidden(&seen, CALLER, RELAY, AGENT);
    assert_hidden(&seen, AGENT, RELAY, CALLER);
    let sip_over_udp = seen.0.iter().any(|packet| {
        packet.protocol == Protocol::Udp
            && String::from_utf8_lossy(&packet.payload).contains("SIP/2.0")
    });
    assert!(!sip_over_udp, "all signalling went over TCP");
}

// A1 A5
#[test]
fn a_caller_on_udp_reaches_an_agent_on_tcp() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.agent_address();
    centre.apply(&Declaration::new().at_tcp("anna", agent_at));
    let agent = Sipp::agent("agent.xml", agent_at, &centre).tcp().start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
}
