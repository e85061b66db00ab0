//! A phone calls the centre over UDP, an agent's phone answers, both talk, the caller hangs up.
//! Both phones are sipp; the packets are counted by the test.

use crate::support;

use std::time::Duration;

use support::capture::assert_hidden;
use support::{AGENT, CALL, CALLER, Capture, Centre, Media, RELAY, SOON, Sipp, have, until};

/// Two seconds of speech.
const PACKETS: u16 = 100;

// A1 A2 A3 A4 A5 A6 A7 B1 B2 B3 B6 B7
#[test]
fn a_call_is_set_up_carries_audio_both_ways_and_hides_each_side_from_the_other() {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let centre = Centre::start();
    if rustix::process::geteuid().is_root() {
        // With the privileges the better way is taken unasked.
        let log = centre.control_process.log();
        assert!(log.contains("media      ports steered"), "{log}");
    }
    let agent_at = centre.declare_anna();
    let capture = Capture::of_parties(&centre.ports);
    let (carla, anna) = (
        Media::open(CALLER, &centre.ports),
        Media::open(AGENT, &centre.ports),
    );

    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .hold(Duration::from_millis(200))
        .start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(5))
        .start();

    // What each side was told to send to is the relay's, and is what the API shows (B3).
    let answer = caller.answered();
    let to_anna = answer.audio().expect("an answer with audio");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");
    assert_eq!((to_anna.ip(), to_carla.ip()), (RELAY, RELAY));
    let session = until("the session is established", SOON, || {
        let sessions = centre.relay_sessions();
        sessions.into_iter().find(|s| s["state"] == "established")
    });
    assert_eq!(session["agent"], "anna");
    assert_eq!(session["pairs"][0]["medium"], "audio");
    assert_eq!(session["pairs"][0]["client"]["local"], to_anna.to_string());
    assert_eq!(session["pairs"][0]["agent"]["local"], to_carla.to_string());
    assert_eq!(centre.sessions().len(), 1, "control shows the call");
    centre.wait_in_call("anna");

    std::thread::scope(|threads| {
        threads.spawn(|| carla.talk(to_anna, 1, PACKETS));
        threads.spawn(|| anna.talk(to_carla, 1, PACKETS));
    });
    // Every packet arrives once, unchanged, in order, and from nobody but the relay.
    let all: Vec<u16> = (1..=PACKETS).collect();
    anna.wait_intact(carla.ssrc(), all.len(), SOON);
    carla.wait_intact(anna.ssrc(), all.len(), SOON);
    assert_eq!(anna.intact_from(carla.ssrc()), all);
    assert_eq!(carla.intact_from(anna.ssrc()), all);
    assert!(anna.arrived().iter().all(|packet| packet.from == to_carla));
    assert!(carla.arrived().iter().all(|packet| packet.from == to_anna));
    carla.report(to_anna);
    until("the agent gets the caller's RTCP", SOON, || {
        (anna.arrived_rtcp().len() == 1).then_some(())
    });

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.wait_available("anna");

    let seen = capture.stop();
    assert_hidden(&seen, CALLER, RELAY, AGENT);
    assert_hidden(&seen, AGENT, RELAY, CALLER);
    assert_eq!(seen.rtp_to(CALLER).len(), all.len());
    assert_eq!(seen.rtp_to(AGENT).len(), all.len());
}
