//! re-INVITEs inside a call: either side holds and takes back; the audio goes on afterwards.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use support::message::Sip;
use support::sipp::Phone;
use support::{AGENT, CALL, CALLER, Centre, Media, RELAY, SOON, Sipp, have, until};

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
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let carla = Media::open(CALLER, &centre.ports);
    let anna = Media::open(AGENT, &centre.ports);
    let agent = Sipp::agent("agent_held.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let caller = Sipp::caller("caller_holds.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(3))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let to_carla = invite(&agent, 1).audio().expect("an offer with audio");
    assert_eq!(to_carla.ip(), RELAY);
    talk(&carla, &anna, to_anna, to_carla, 1);

    assert_hold(&invite(&agent, 2), to_carla);
    let back = invite(&agent, 3);
    assert!(!back.body().contains("a=sendonly"), "{}", back.0);
    talk(&carla, &anna, to_anna, to_carla, 26);

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
}

// B6 B7
#[test]
fn the_agent_holds_and_takes_back() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let carla = Media::open(CALLER, &centre.ports);
    let anna = Media::open(AGENT, &centre.ports);
    let agent = Sipp::agent("agent_holds.xml", agent_at, &centre)
        .media(&anna)
        .hold(Duration::from_secs(3))
        .start();
    let caller = Sipp::caller("caller_held.xml", CALLER, &centre)
        .media(&carla)
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let to_carla = invite(&agent, 1).audio().expect("an offer with audio");
    talk(&carla, &anna, to_anna, to_carla, 1);

    assert_hold(&invite(&caller, 1), to_anna);
    let back = invite(&caller, 2);
    assert!(!back.body().contains("a=sendonly"), "{}", back.0);
    talk(&carla, &anna, to_anna, to_carla, 26);

    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
}

// B6 B7
#[test]
fn who_holds_is_sent_nothing_and_may_play_music() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let carla = Media::open(CALLER, &centre.ports);
    let anna = Media::open(AGENT, &centre.ports);
    let agent = Sipp::agent("agent_held.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let caller = Sipp::caller("caller_holds.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(2))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    let to_carla = invite(&agent, 1).audio().expect("an offer with audio");
    caller.receives("the answer to its hold", CALL, |sip| {
        sip.status() == Some(200) && sip.header("CSeq") == Some("2 INVITE")
    });
    anna.talk(to_carla, 1, 10);
    carla.talk(to_anna, 1, 10);
    anna.wait_intact(carla.ssrc(), 10, SOON);
    assert!(carla.arrived().is_empty(), "who holds hears nothing");
    let session = &centre.relay_sessions()[0];
    assert_eq!(session["pairs"][0]["agent"]["dropped"], 10, "{session}");
    invite(&agent, 3);
    caller.receives("the answer to taking it back", CALL, |sip| {
        sip.status() == Some(200) && sip.header("CSeq") == Some("3 INVITE")
    });
    anna.talk(to_carla, 11, 10);
    carla.wait_intact(anna.ssrc(), 10, SOON);
    assert_eq!(carla.arrived().len(), 10, "and hears only what came after");
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
}
