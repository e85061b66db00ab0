//! re-INVITEs inside a call: either side holds and takes back; the audio goes on afterwards.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use support::message::Sip;
use support::sipp::Phone;
use support::{CALL, Media, RELAY, SOON, Stage, until};

/// Both talk; all of it arrives.
fn talk(carla: &Media, anna: &Media, to_anna: SocketAddr, to_carla: SocketAddr, first: u16) {
    const COUNT: u16 = 25;
    std::thread::scope(|threads| {
        threads.spawn(|| carla.talk(to_anna, first, COUNT));
        threads.spawn(|| anna.talk(to_carla, first, COUNT));
    });
    let so_far = usize::from(first - 1 + COUNT);
    anna.wait_intact(carla.ssrc(), so_far, SOON);
    carla.wait_intact(anna.ssrc(), so_far, SOON);
}

/// The `number`-th INVITE that the phone received.
fn invite(phone: &Phone, number: usize) -> Sip {
    until(&format!("INVITE number {number}"), CALL, || {
        let seen = phone.messages();
        let mut all = support::sipp::received(&seen).filter(|sip| sip.is_request("INVITE"));
        let mut distinct: Vec<Sip> = Vec::new();
        for sip in all.by_ref() {
            if distinct
                .iter()
                .all(|d| d.header("CSeq") != sip.header("CSeq"))
            {
                distinct.push(sip.clone());
            }
        }
        distinct.get(number - 1).cloned()
    })
}

fn assert_hold(sip: &Sip, relay_leg: SocketAddr) {
    assert!(sip.body().contains("a=sendonly"), "{}", sip.0);
    assert_eq!(sip.audio(), Some(relay_leg), "the leg stays where it is");
}

// B6 B7
#[test]
fn the_caller_holds_and_takes_back() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let caller = stage.caller("caller_holds.xml");
    let call = stage.call(
        stage.agent("agent_held.xml"),
        caller.hold(Duration::from_secs(3)),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    assert_eq!(to_carla.ip(), RELAY);
    talk(carla, anna, to_anna, to_carla, 1);

    assert_hold(&invite(&call.agent, 2), to_carla);
    let back = invite(&call.agent, 3);
    assert!(!back.body().contains("a=sendonly"), "{}", back.0);
    talk(carla, anna, to_anna, to_carla, 26);

    call.ends();
}

// B6 B7
#[test]
fn the_agent_holds_and_takes_back() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let agent = stage.agent("agent_holds.xml");
    let call = stage.call(
        agent.hold(Duration::from_secs(3)),
        stage.caller("caller_held.xml"),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    talk(carla, anna, to_anna, to_carla, 1);

    assert_hold(&invite(&call.caller, 1), to_anna);
    let back = invite(&call.caller, 2);
    assert!(!back.body().contains("a=sendonly"), "{}", back.0);
    talk(carla, anna, to_anna, to_carla, 26);

    let centre = &stage.centre;
    until("the story tells of it", SOON, || {
        let story = centre.story()?;
        let held = story.find("anna puts the caller on hold")?;
        story[held..].contains("goes on after").then_some(())
    });
    call.ends();
    until("the report has it", SOON, || {
        let report = centre.api.get("/api/v1/reports/agents?from=2026-01-01");
        let row = &report["rows"][0];
        let held = row["held_ms"].as_u64()?;
        (row["holds"] == 1 && held > 0).then_some(())
    });
}

// B6 B7
#[test]
fn who_holds_is_sent_nothing_and_may_play_music() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let caller = stage.caller("caller_holds.xml");
    let call = stage.call(
        stage.agent("agent_held.xml"),
        caller.hold(Duration::from_secs(2)),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    call.caller.receives("the answer to its hold", CALL, |sip| {
        sip.status() == Some(200) && sip.header("CSeq") == Some("2 INVITE")
    });
    anna.talk(to_carla, 1, 10);
    carla.talk(to_anna, 1, 10);
    anna.wait_intact(carla.ssrc(), 10, SOON);
    assert!(carla.arrived().is_empty(), "who holds hears nothing");
    let session = &stage.centre.relay_sessions()[0];
    assert_eq!(session["pairs"][0]["agent"]["dropped"], 10, "{session}");
    invite(&call.agent, 3);
    call.caller
        .receives("the answer to taking it back", CALL, |sip| {
            sip.status() == Some(200) && sip.header("CSeq") == Some("3 INVITE")
        });
    anna.talk(to_carla, 11, 10);
    carla.wait_intact(anna.ssrc(), 10, SOON);
    assert_eq!(carla.arrived().len(), 10, "and hears only what came after");
    call.ends();
}
