//! The relay has no media port left: 503, early and clean, and nothing leaks.

#![allow(clippy::expect_used, clippy::panic)]

use crate::support;

use std::net::UdpSocket;
use std::time::Duration;

use support::sipp::Phone;
use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have, until};

/// Two sessions of four ports each.
const PORTS: u16 = 8;

fn free_ports(centre: &Centre) -> u64 {
    let capacity = centre.relay_api.get("/relay/v1/capacity");
    capacity["ports_free"].as_u64().expect("a number of ports")
}

/// Ports are free when their packet thread has closed them, not later than 0.1 s after the call.
fn all_back(centre: &Centre, ports: u64) {
    until("all ports are back", SOON, || {
        (free_ports(centre) == ports).then_some(())
    });
}

fn refused(centre: &Centre) {
    let caller = Sipp::caller("caller_refused.xml", CALLER, centre)
        .word("status", "503")
        .start();
    let seen = caller.succeeds(CALL);
    let refusal = support::sipp::received(&seen)
        .find(|sip| sip.status() == Some(503))
        .expect("a refusal");
    assert!(refusal.header("Retry-After").is_some(), "{}", refusal.0);
}

// A6
#[test]
fn a_call_without_a_free_port_is_refused_with_503_and_ports_come_back() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Setup::default().media_ports(PORTS).start();
    let desks: Vec<_> = (0..3).map(|_| centre.agent_address()).collect();
    let mut declaration = Declaration::new();
    for (id, desk) in ["anna", "ben", "cleo"].iter().zip(&desks) {
        declaration = declaration.at(id, *desk);
    }
    centre.apply(&declaration);
    let before = free_ports(&centre);
    let phones: Vec<Phone> = desks
        .iter()
        .map(|desk| Sipp::agent("agent.xml", *desk, &centre).calls(9).start())
        .collect();
    let calls: Vec<Phone> = (0..2)
        .map(|_| {
            let caller = Sipp::caller("caller.xml", CALLER, &centre);
            caller.hold(Duration::from_secs(4)).start()
        })
        .collect();
    calls.iter().for_each(|call| drop(call.answered()));
    assert_eq!(free_ports(&centre), before - u64::from(PORTS));
    refused(&centre);
    for call in calls {
        call.succeeds(CALL);
    }
    centre.wait_empty();
    all_back(&centre, before);

    // Ports that another program holds are not ours either, and are ours again once it lets go.
    let (low, high) = centre.media_range;
    let others: Vec<UdpSocket> = (low..=high)
        .map(|port| UdpSocket::bind((support::RELAY, port)).expect("all ports were given back"))
        .collect();
    refused(&centre);
    drop(others);
    // The agent that was tried may be left alone for a moment.
    until("a call goes through again", CALL, || {
        let mut caller = Sipp::caller("caller.xml", CALLER, &centre).start();
        until("the caller is done", CALL, || caller.finished()).then_some(())
    });
    centre.wait_empty();
    all_back(&centre, before);
    drop(phones);
}
