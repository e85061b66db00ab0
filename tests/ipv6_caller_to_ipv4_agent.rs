//! The caller lives on IPv6, the agent on IPv4: the relay host stands between the two worlds.

use crate::support;

use std::time::Duration;

use support::{AGENT, CALL, Centre, Media, RELAY, RELAY6, SOON, Sipp, have};

// A1 A6 B7
#[test]
fn an_ipv6_caller_and_an_ipv4_agent_hear_each_other() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let carla = Media::open(RELAY6, &centre.ports);
    let anna = Media::open(AGENT, &centre.ports);
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let caller = Sipp::caller("caller.xml", RELAY6, &centre)
        .media(&carla)
        .hold(Duration::from_secs(3))
        .start();

    let to_anna = caller.answered().audio().expect("an answer with audio");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");
    assert_eq!((to_anna.ip(), to_carla.ip()), (RELAY6, RELAY));
    assert!(!offer.0.contains("::1"), "no IPv6 on the agent's side");
    std::thread::scope(|threads| {
        threads.spawn(|| carla.talk(to_anna, 1, 50));
        threads.spawn(|| anna.talk(to_carla, 1, 50));
    });
    anna.wait_intact(carla.ssrc(), 50, SOON);
    carla.wait_intact(anna.ssrc(), 50, SOON);

    let seen = caller.succeeds(CALL);
    let told_ipv4 = support::sipp::received(&seen).any(|sip| sip.0.contains("127.0.0."));
    assert!(!told_ipv4, "no IPv4 on the caller's side: {seen:?}");
    agent.succeeds(SOON);
    centre.wait_empty();
}
