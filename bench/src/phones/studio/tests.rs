//! Two legs over loopback, directly or with something bad between them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::*;

const CALLER: LegId = LegId(1);
const AGENT: LegId = LegId(2);

fn start() -> (Studio, Receiver<Note>) {
    let (sender, notes) = sync_channel(64);
    let sink = Box::new(move |note| sender.send(note).unwrap());
    let report_interval = Duration::from_millis(40);
    (
        Studio::start(
            StudioConfig {
                seed: 5,
                report_interval,
            },
            sink,
        )
        .unwrap(),
        notes,
    )
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Opens a leg; its RTP and RTCP addresses.
fn open(desk: &Desk, leg: LegId, role: Role) -> (SocketAddr, SocketAddr) {
    let (rtp, rtcp) = (socket(), socket());
    let addresses = (rtp.local_addr().unwrap(), rtcp.local_addr().unwrap());
    desk.order(Command::Open {
        leg,
        role,
        rtp,
        rtcp,
        cname: "x".into(),
    })
    .unwrap();
    addresses
}

fn talk(desk: &Desk, leg: LegId, (rtp, rtcp): (SocketAddr, SocketAddr), law: Law) {
    desk.order(Command::Talk {
        leg,
        rtp,
        rtcp,
        law,
        talking: true,
    })
    .unwrap();
}

/// Waits until the sums satisfy a condition.
fn until(desk: &Desk, condition: impl Fn(&AudioTotals) -> bool) -> AudioTotals {
    loop {
        let totals = desk.totals().unwrap();
        if condition(&totals) {
            return totals;
        }
        std::thread::yield_now();
    }
}

fn end(desk: &Desk, notes: &Receiver<Note>) -> (LegReport, LegReport) {
    desk.order(Command::Finish(CALLER)).unwrap();
    assert_eq!(notes.recv().unwrap(), Note::Finished(CALLER));
    desk.order(Command::Close(CALLER)).unwrap();
    desk.order(Command::Close(AGENT)).unwrap();
    let (Note::Closed(caller), Note::Closed(agent)) =
        (notes.recv().unwrap(), notes.recv().unwrap())
    else {
        panic!("two reports are due");
    };
    (caller, agent)
}

#[test]
fn two_legs_hear_each_other_exactly() {
    let (studio, notes) = start();
    let desk = studio.desk();
    let caller = open(&desk, CALLER, Role::Caller);
    let agent = open(&desk, AGENT, Role::Agent);
    talk(&desk, CALLER, agent, Law::A);
    talk(&desk, AGENT, caller, Law::A);
    let totals = until(&desk, |t| {
        t.heard_by_callers.received >= 10 && t.heard_by_agents.received >= 10 && t.reports.1 >= 2
    });
    assert!(totals.latency_to_agents.len() >= 10);
    let (caller, agent) = end(&desk, &notes);
    assert_eq!((caller.lost, agent.lost), (0, 0));
    assert_eq!(caller.heard.received, agent.sent);
    assert_eq!(agent.heard.received, caller.sent);
    assert_eq!((caller.heard.corrupted, caller.heard.foreign), (0, 0));
    assert_eq!((caller.partner, agent.partner), (Some(AGENT), Some(CALLER)));
    assert!(!caller.crossed && !agent.crossed);
}

/// A relay between the legs that changes, drops and repeats packets of the caller.
fn bad_relay(relay: &UdpSocket, agent: SocketAddr, packets: u64) {
    let mut buffer = [0_u8; 512];
    for number in 0..packets {
        let (length, _) = relay.recv_from(&mut buffer).unwrap();
        match number {
            3 => continue,
            5 => buffer[40] ^= 1,
            7 => {
                relay.send_to(&buffer[..length], agent).unwrap();
            }
            9 => {
                relay.send_to(b"not audio", agent).unwrap();
            }
            _ => {}
        }
        relay.send_to(&buffer[..length], agent).unwrap();
    }
}

#[test]
fn loss_corruption_duplicates_and_strangers_are_noticed() {
    let (studio, notes) = start();
    let desk = studio.desk();
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let middle = relay.local_addr().unwrap();
    let _caller = open(&desk, CALLER, Role::Caller);
    let agent = open(&desk, AGENT, Role::Agent);
    let rtcp_sink = socket().local_addr().unwrap();
    talk(&desk, CALLER, (middle, rtcp_sink), Law::Mu);
    bad_relay(&relay, agent.0, 12);
    until(&desk, |t| t.heard_by_agents.received >= 11);
    // Silence first, so that the number of packets on their way is known.
    desk.order(Command::Finish(CALLER)).unwrap();
    assert_eq!(notes.recv().unwrap(), Note::Finished(CALLER));
    desk.order(Command::Close(AGENT)).unwrap();
    let Note::Closed(agent) = notes.recv().unwrap() else {
        panic!("a report is due")
    };
    assert_eq!((agent.heard.received, agent.heard.corrupted), (11, 1));
    assert_eq!((agent.heard.duplicated, agent.heard.foreign), (1, 1));
    desk.order(Command::Close(CALLER)).unwrap();
    let Note::Closed(caller) = notes.recv().unwrap() else {
        panic!("a report is due")
    };
    // Whatever was sent after the twelfth packet stayed in the bad relay.
    assert_eq!(agent.lost, caller.sent - 11);
    assert_eq!((caller.lost, caller.partner), (0, None));
}

#[test]
fn audio_of_another_call_is_foreign() {
    let (studio, _notes) = start();
    let desk = studio.desk();
    let caller = open(&desk, CALLER, Role::Caller);
    let agent = open(&desk, AGENT, Role::Agent);
    let stranger = LegId(3);
    open(&desk, stranger, Role::Agent);
    talk(&desk, CALLER, agent, Law::Mu);
    talk(&desk, AGENT, caller, Law::Mu);
    until(&desk, |t| t.heard_by_callers.received > 0);
    talk(&desk, stranger, caller, Law::Mu);
    let totals = until(&desk, |t| {
        t.heard_by_callers.foreign >= 3 && t.heard_by_callers.wrong_source >= 3
    });
    assert_eq!(totals.heard_by_callers.corrupted, 0);
}

#[test]
fn a_leg_that_is_unknown_is_reported_as_empty() {
    let (studio, notes) = start();
    let desk = studio.desk();
    desk.order(Command::Finish(LegId(9))).unwrap();
    desk.order(Command::Close(LegId(9))).unwrap();
    assert_eq!(notes.recv().unwrap(), Note::Finished(LegId(9)));
    assert_eq!(
        notes.recv().unwrap(),
        Note::Closed(LegReport::empty(LegId(9)))
    );
}
