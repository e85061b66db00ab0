//! A phone whose network loses packets: the API says which side it is, during the call and after it.

use crate::support;

use std::time::Duration;

use support::{SOON, Stage, until};

// F7
#[test]
fn packets_that_do_not_arrive_are_shown_in_the_api_and_in_the_record_of_the_call() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let caller = stage.caller("caller.xml");
    let call = stage.call(
        stage.agent("agent.xml"),
        caller.hold(Duration::from_secs(3)),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    std::thread::scope(|threads| {
        threads.spawn(|| {
            carla.talk(to_anna, 1, 20);
            // Three are missing, and one of them comes late.
            carla.talk(to_anna, 24, 20);
            carla.talk(to_anna, 22, 1);
        });
        threads.spawn(|| anna.talk(to_carla, 1, 30));
    });
    anna.wait_intact(carla.ssrc(), 41, SOON);
    carla.wait_intact(anna.ssrc(), 30, SOON);
    let shown = |sessions: Vec<serde_json::Value>| {
        let pair = &sessions[0]["pairs"][0];
        for (side, lost, late) in [("client", 2, 1), ("agent", 0, 0)] {
            assert_eq!(pair[side]["lost"], lost, "{pair}");
            assert_eq!(pair[side]["late"], late, "{pair}");
            // The phones are on this host: their packets come on time, as far as it has any.
            assert!(pair[side]["jitter_ms"].is_u64(), "{pair}");
        }
    };
    shown(stage.centre.relay_sessions());
    shown(stage.centre.sessions());

    call.ends();
    let ended = until("the record of the call", SOON, || {
        stage.centre.ended_sessions().pop()
    });
    assert_eq!(ended["pairs"][0]["client"]["lost"], 2, "{ended}");
    assert_eq!(ended["pairs"][0]["client"]["late"], 1, "{ended}");
    assert_eq!(ended["pairs"][0]["agent"]["lost"], 0, "{ended}");
}
