//! B6, B7: a re-INVITE moves the medium or puts it on hold while media flow; nothing goes to
//! where they are not wanted any more.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::engine_support::*;
use patchbay_relay::engine::{Component, DropReason, OpenPair, Remote, Side};
use std::net::UdpSocket;
use std::time::Instant;

/// Where a packet of the agent went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Old,
    Dropped,
    New,
}

struct Bed {
    engine: Started,
    pair: OpenPair,
    old: Phone,
    new: Phone,
    agent: Phone,
    sent: u8,
}

impl Bed {
    fn new(first_port: u16, last_port: u16) -> Bed {
        let engine = engine(first_port, last_port);
        let (old, agent, pair) = call(&engine);
        let mut bed = Bed {
            engine,
            pair,
            old,
            new: Phone::new(V4),
            agent,
            sent: 0,
        };
        let [at_client, at_agent] = bed.pair.local;
        let hello = packet(0, 172);
        assert_passes(
            &bed.old.rtp,
            at_client.rtp,
            &bed.agent.rtp,
            at_agent.rtp,
            &hello,
        );
        for _ in 0..20 {
            assert_eq!(bed.say(), Fate::Old);
        }
        bed
    }

    /// The agent says something; which becomes of it is known when this returns.
    fn say(&mut self) -> Fate {
        std::thread::sleep(PAUSE);
        self.sent = self.sent.wrapping_add(1);
        let data = packet(self.sent, 172);
        let dropped = || {
            let agent = flow(&self.engine, &self.pair, Side::Agent, Component::Rtp);
            agent.drops.get(DropReason::RemoteHeld)
        };
        let before = dropped();
        let to = self.pair.local[1].rtp;
        self.agent.rtp.send_to(&data, to).unwrap();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            for (phone, fate) in [(&self.old, Fate::Old), (&self.new, Fate::New)] {
                if let Some(got) = waiting(&phone.rtp) {
                    assert_eq!(got, data);
                    return fate;
                }
            }
            if dropped() > before {
                return Fate::Dropped;
            }
            std::thread::yield_now();
        }
        panic!(
            "a packet is lost without a reason: {:?} {:?}",
            self.engine.stats(self.pair.id),
            self.engine.totals()
        );
    }

    /// Tells the engine where the client is, and talks on: the fates of the packets, in order.
    fn change(&mut self, remote: Remote) -> Vec<Fate> {
        self.engine
            .set_remote(self.pair.id, Side::Client, remote)
            .unwrap();
        let mut fates: Vec<Fate> = Vec::new();
        while self.engine.health()[0].waiting > 0 {
            fates.push(self.say());
        }
        fates.extend((0..150).map(|_| self.say()));
        fates
    }

    /// The client, at either place, is heard by the agent.
    fn hear(&self, from: &UdpSocket) {
        let [at_client, at_agent] = self.pair.local;
        let data = packet(200, 60);
        assert_passes(from, at_client.rtp, &self.agent.rtp, at_agent.rtp, &data);
    }
}

fn waiting(socket: &UdpSocket) -> Option<Vec<u8>> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 2048];
    let got = socket.recv(&mut buffer).ok();
    socket.set_nonblocking(false).unwrap();
    got.map(|len| buffer[..len].to_vec())
}

/// One change, then all the same: no packet goes where an earlier one did not go any more.
fn assert_changes_once(fates: &[Fate], to: Fate) {
    assert_eq!(fates.last(), Some(&to));
    let changes = fates.windows(2).filter(|two| two[0] != two[1]).count();
    assert!(changes <= 1, "{fates:?}");
}

#[test]
fn a_moved_medium_is_followed_and_its_old_place_gets_nothing_more() {
    if !alone() {
        return;
    }
    let mut bed = Bed::new(17_500, 17_599);
    let moved = bed.new.remote();
    let fates = bed.change(moved);
    assert_changes_once(&fates, Fate::New);
    // The phone at the old place goes on talking for a while, and is not listened to.
    let drops = |bed: &Bed| {
        let client = flow(&bed.engine, &bed.pair, Side::Client, Component::Rtp);
        client.drops.get(DropReason::SourceUnexpected)
    };
    for n in 1..=20 {
        let to = bed.pair.local[0].rtp;
        bed.old.rtp.send_to(&packet(250, 172), to).unwrap();
        wait_for("the late packet", || drops(&bed) == n);
        assert_eq!(bed.say(), Fate::New);
    }
    bed.hear(&bed.new.rtp);
    for _ in 0..20 {
        assert_eq!(bed.say(), Fate::New);
    }
    assert_silent(&bed.agent.rtp);
    assert_silent(&bed.old.rtp);
}

#[test]
fn every_form_of_hold_stops_the_media_and_lets_them_come_back() {
    if !alone() {
        return;
    }
    let mut bed = Bed::new(17_600, 17_699);
    let usual = bed.old.remote();
    let mut sendonly = usual;
    sendonly.receives = false;
    let mut zeros = usual;
    zeros.rtp = "0.0.0.0:4000".parse().unwrap();
    zeros.rtcp = "0.0.0.0:4001".parse().unwrap();
    let mut port_0 = usual;
    port_0.rtp.set_port(0);
    port_0.rtcp.set_port(0);
    for (hold, reports) in [(sendonly, true), (zeros, false), (port_0, false)] {
        let fates = bed.change(hold);
        assert_changes_once(&fates, Fate::Dropped);
        assert_silent(&bed.old.rtp);
        // Music on hold, and reports where the hold leaves an address for them.
        bed.hear(&bed.old.rtp);
        assert_eq!(bed.say(), Fate::Dropped);
        let report = [0x80, 201, 0, 1, 9, 9, 9, 9];
        let to = bed.pair.local[1].rtcp;
        bed.agent.rtcp.send_to(&report, to).unwrap();
        if reports {
            assert_eq!(receive(&bed.old.rtcp).0, report);
        } else {
            assert_eq!(bed.say(), Fate::Dropped);
            assert_silent(&bed.old.rtcp);
        }
        let fates = bed.change(usual);
        assert_changes_once(&fates, Fate::Old);
        bed.hear(&bed.old.rtp);
    }
}

#[test]
fn nobody_is_sent_media_when_both_are_inactive() {
    if !alone() {
        return;
    }
    let mut bed = Bed::new(17_700, 17_799);
    let mut inactive = bed.agent.remote();
    inactive.receives = false;
    bed.engine
        .set_remote(bed.pair.id, Side::Agent, inactive)
        .unwrap();
    let mut client = bed.old.remote();
    client.receives = false;
    assert_changes_once(&bed.change(client), Fate::Dropped);
    let held = || {
        let client = flow(&bed.engine, &bed.pair, Side::Client, Component::Rtp);
        client.drops.get(DropReason::RemoteHeld)
    };
    for n in 1..=5 {
        let to = bed.pair.local[0].rtp;
        bed.old.rtp.send_to(&packet(1, 172), to).unwrap();
        wait_for("the drop", || held() == n);
    }
    assert_silent(&bed.agent.rtp);
    assert_silent(&bed.old.rtp);
}
