//! re-INVITEs that move the audio, hold it and take it away, while the other side talks on: from
//! then on nothing is sent to where it was.

use crate::support;

use std::time::Duration;

use support::sipp::Phone;
use support::{CALL, CALLER, Media, SOON, Stage, until};

/// Waits for the answer to the INVITE with that number.
fn answered(caller: &Phone, number: u32) {
    let cseq = format!("{number} INVITE");
    caller.receives(&format!("200 to {cseq}"), CALL, |sip| {
        sip.status() == Some(200) && sip.header("CSeq") == Some(&cseq)
    });
}

// B6 B7
#[test]
fn audio_follows_a_move_stops_at_a_hold_and_ends_when_taken_away() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (old, anna) = (&stage.carla, &stage.anna);
    let new = Media::open(CALLER, &stage.centre.ports);
    let caller = stage
        .caller("caller_moves.xml")
        .word("moved_port", new.address().port().to_string());
    let call = stage.call(
        stage.agent("agent_moved.xml"),
        caller.hold(Duration::from_secs(2)),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    let at_old = || old.intact_from(anna.ssrc());
    let at_new = || new.intact_from(anna.ssrc());
    let dropped = || {
        let sessions = stage.centre.relay_sessions();
        sessions.first()?["pairs"][0]["agent"]["dropped"].as_u64()
    };

    std::thread::scope(|threads| {
        // Anna talks without a pause, through all that happens.
        threads.spawn(|| anna.talk(to_carla, 1, 450));
        old.talk(to_anna, 1, 5);
        anna.wait_intact(old.ssrc(), 5, SOON);
        until("she is heard", SOON, || (at_old().len() > 10).then_some(()));

        answered(&call.caller, 2);
        // The old phone's last words are late.
        old.talk(to_anna, 6, 5);
        new.talk(to_anna, 1, 5);
        anna.wait_intact(new.ssrc(), 5, SOON);
        until("she is heard there", SOON, || {
            (at_new().len() > 10).then_some(())
        });

        answered(&call.caller, 3);
        let before = until("the hold is in force", SOON, || {
            dropped().filter(|n| *n > 5)
        });
        let so_far = at_new();
        until("it stays so", SOON, || {
            dropped().filter(|n| *n > before + 20)
        });
        assert_eq!(at_new(), so_far, "nothing is sent to who holds");

        answered(&call.caller, 4);
        assert!(
            stage.centre.relay_sessions()[0]["pairs"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    });
    let (last_old, first_new) = (at_old().last().copied(), at_new().first().copied());
    assert!(last_old < first_new, "{last_old:?} then {first_new:?}");
    assert_eq!(anna.intact_from(old.ssrc()), [1, 2, 3, 4, 5]);
    assert_eq!(anna.intact_from(new.ssrc()), [1, 2, 3, 4, 5]);

    call.ends();
}
