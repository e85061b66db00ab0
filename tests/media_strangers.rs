//! RTP bleed and RTP inject: who is not in the call hears nothing of it and cannot speak into it.

use crate::support;

use std::time::Duration;

use support::{AGENT, CALL, CALLER, Centre, Media, SOON, STRANGER, Sipp, have};

// G6 A6 B7
#[test]
fn a_stranger_neither_hears_a_call_nor_speaks_into_it() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let carla = Media::open(CALLER, &centre.ports);
    let anna = Media::open(AGENT, &centre.ports);
    let stranger = Media::open(STRANGER, &centre.ports);
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(5))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");

    // The stranger knocks before anybody has spoken, while both speak, and after.
    let both_speak = |first: u16| {
        std::thread::scope(|threads| {
            threads.spawn(|| carla.talk(to_anna, first, 50));
            threads.spawn(|| anna.talk(to_carla, first, 50));
            threads.spawn(|| stranger.talk(to_anna, first, 50));
            threads.spawn(|| stranger.talk(to_carla, first, 50));
        });
    };
    stranger.talk(to_anna, 900, 5);
    stranger.talk(to_carla, 900, 5);
    both_speak(1);
    both_speak(51);
    anna.wait_intact(carla.ssrc(), 100, SOON);
    carla.wait_intact(anna.ssrc(), 100, SOON);
    assert!(stranger.arrived().is_empty(), "the stranger hears nothing");
    for (who, media) in [("the agent", &anna), ("the caller", &carla)] {
        let injected = media.intact_from(stranger.ssrc()).len();
        assert_eq!(injected, 0, "{who} heard the stranger");
    }
    let session = &centre.relay_sessions()[0];
    // Those before the first word are counted here; once a source is known, the kernel itself refuses
    // the others, and counts them for the whole host.
    let dropped = session["pairs"][0]["client"]["dropped"].as_u64();
    assert!(dropped >= Some(5), "drops are counted: {session}");

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
}
