//! Two phones of an agent ring with early media of their own, and the first of them answers.

use crate::support;

use std::time::Duration;

use support::{AGENT, CALL, Media, SOON, Stage};

// B6 B7
#[test]
fn the_caller_hears_one_fork_at_a_time_and_the_one_that_answers_has_the_call() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, first) = (&stage.carla, &stage.anna);
    let second = &Media::open(AGENT, &stage.centre.ports);
    let agent = stage
        .agent("agent_forks.xml")
        .word("first_port", first.address().port().to_string())
        .word("second_port", second.address().port().to_string());
    let call = stage.call(
        agent.hold(Duration::from_secs(3)),
        stage
            .caller("caller_hears_forks.xml")
            .hold(Duration::from_secs(3)),
    );
    let to_carla = call.to_carla();
    let heard = |fork: &Media| carla.intact_from(fork.ssrc()).len();
    let progress = |number: usize| {
        support::until("early media", CALL, || {
            let seen = call.caller.messages();
            let mut early = support::sipp::received(&seen).filter(|sip| sip.status() == Some(183));
            early.nth(number).cloned()
        })
    };

    let to_anna = progress(0).audio().expect("early media of the first");
    first.talk(to_carla, 1, 10);
    carla.wait_intact(first.ssrc(), 10, SOON);

    let second_progress = progress(1);
    assert_eq!(second_progress.audio(), Some(to_anna), "one door for both");
    first.talk(to_carla, 11, 5);
    second.talk(to_carla, 1, 10);
    carla.wait_intact(second.ssrc(), 10, SOON);
    carla.talk(to_anna, 1, 5);
    second.wait_intact(carla.ssrc(), 5, SOON);
    assert_eq!(
        heard(first),
        10,
        "the first is not heard while the second is"
    );
    assert!(first.arrived().is_empty());

    call.caller.answered();
    second.talk(to_carla, 11, 5);
    first.talk(to_carla, 16, 10);
    carla.talk(to_anna, 6, 10);
    carla.wait_intact(first.ssrc(), 20, SOON);
    first.wait_intact(carla.ssrc(), 10, SOON);
    assert_eq!(heard(second), 10, "the one that did not answer is silent");
    assert_eq!(second.intact_from(carla.ssrc()).len(), 5);
    let session = &stage.centre.relay_sessions()[0];
    let dropped = session["pairs"][0]["agent"]["dropped"].as_u64();
    assert!(dropped >= Some(10), "drops are counted: {session}");

    call.ends();
}
