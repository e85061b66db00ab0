//! RTP bleed and RTP inject: who is not in the call hears nothing of it and cannot speak into it.

use crate::support;

use std::time::Duration;

use support::{Media, SOON, STRANGER, Stage};

// G6 A6 B7
#[test]
fn a_stranger_neither_hears_a_call_nor_speaks_into_it() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let stranger = Media::open(STRANGER, &stage.centre.ports);
    let caller = stage.caller("caller.xml");
    let call = stage.call(
        stage.agent("agent.xml"),
        caller.hold(Duration::from_secs(5)),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());

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
    for (who, media) in [("the agent", anna), ("the caller", carla)] {
        let injected = media.intact_from(stranger.ssrc()).len();
        assert_eq!(injected, 0, "{who} heard the stranger");
    }
    let session = &stage.centre.relay_sessions()[0];
    // Those before the first word are counted here; once a source is known, the kernel itself refuses
    // the others, and counts them for the whole host.
    let dropped = session["pairs"][0]["client"]["dropped"].as_u64();
    assert!(dropped >= Some(5), "drops are counted: {session}");

    call.ends();
}
