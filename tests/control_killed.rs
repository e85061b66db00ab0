//! Control dies in the middle of a call. The call does not notice.

use crate::support;

use std::time::Duration;

use support::{AGENT, CALL, CALLER, Centre, Media, SOON, Setup, Sipp, have, until};

/// A call with counted audio on both sides, on a relay and a control of their own.
struct Call {
    centre: Centre,
    carla: Media,
    anna: Media,
}

impl Call {
    fn begin() -> Call {
        let centre = Setup::default().apart().start();
        let carla = Media::open(CALLER, &centre.ports);
        let anna = Media::open(AGENT, &centre.ports);
        Call {
            centre,
            carla,
            anna,
        }
    }
}

// B1 G1
#[test]
fn an_established_call_outlives_a_crash_of_control() {
    if !have(&["sipp"]) {
        return;
    }
    let Call {
        mut centre,
        carla,
        anna,
    } = Call::begin();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(12))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");
    let talk = |first: u16| {
        std::thread::scope(|threads| {
            threads.spawn(|| carla.talk(to_anna, first, 50));
            threads.spawn(|| anna.talk(to_carla, first, 50));
        });
        let so_far = usize::from(first) + 49;
        anna.wait_intact(carla.ssrc(), so_far, SOON);
        carla.wait_intact(anna.ssrc(), so_far, SOON);
    };
    talk(1);
    centre.wait_in_call("anna");

    centre.control_process.kill();
    talk(51);

    // It comes back, asks the relay, and knows that Anna is talking.
    centre.restart_control();
    centre.wait_in_call("anna");
    assert_eq!(centre.sessions().len(), 1);
    talk(101);

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    centre.wait_available("anna");
}

// B1 G1
#[test]
fn a_call_ends_properly_while_control_is_away_and_the_agent_is_free_when_it_is_back() {
    if !have(&["sipp"]) {
        return;
    }
    let Call { mut centre, .. } = Call::begin();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_secs(3))
        .start();
    caller.answered();
    centre.wait_in_call("anna");
    centre.control_process.kill();

    // With no control there is nobody who could decide: refused, with a hint to come back.
    let unlucky = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "503")
        .start();
    let seen = unlucky.succeeds(CALL);
    let refusal = support::sipp::received(&seen).find(|sip| sip.status() == Some(503));
    assert!(refusal.is_some_and(|sip| sip.header("Retry-After").is_some()));

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    until("the relay has ended the session", SOON, || {
        centre.relay_sessions().is_empty().then_some(())
    });
    centre.restart_control();
    centre.wait_available("anna");
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    Sipp::caller("caller.xml", CALLER, &centre)
        .start()
        .succeeds(CALL);
    agent.succeeds(SOON);
}
