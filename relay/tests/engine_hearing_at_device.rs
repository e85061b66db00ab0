//! F7: what is heard of a stream has no seam where its flow changes over between sockets and device.
#![allow(clippy::unwrap_used)]

use crate::engine_at_device::{Call, V4_CALL, at_device};
use crate::engine_device_kept::{file_system, keeping, settled_call};
use crate::engine_support::elsewhere::Elsewhere;
use crate::engine_support::*;
use patchbay_relay::engine::xdp::Fate;
use patchbay_relay::engine::{Component, Engine, Side};
use std::time::{Duration, Instant};

/// A phone that counts what it leaves out.
#[derive(Default)]
struct Speaker {
    next: u16,
    left_out: u32,
}

impl Speaker {
    /// The next packet, as long as that, after so many that are not sent.
    fn say(&mut self, left_out: u16, len: usize) -> Vec<u8> {
        self.left_out += u32::from(left_out);
        self.next += left_out + 1;
        let mut data = audio(self.next - 1);
        data.resize(len, 0x55);
        data
    }
}

impl Call {
    /// What the client has sent, and how much of it is not there yet.
    fn heard(&self, engine: &Engine) -> (u32, u32) {
        let heard = flow(engine, &self.pair, Side::Client, Component::Rtp).heard;
        (heard.missing(), heard.late())
    }

    /// Has the agent hold, so that the client's flow goes by the sockets, or take the call back.
    fn hold(&self, engine: &Engine, is_held: bool) {
        let mut remote = self.agent.remote();
        (remote.receives, remote.clock_hz) = (!is_held, 8000);
        engine
            .set_remote(self.pair.id, Side::Agent, remote)
            .unwrap();
    }

    fn send(&self, data: &[u8]) {
        let to = self.pair.local[Side::Client.index()].rtp;
        self.client.rtp.send_to(data, to).unwrap();
    }
}

fn told(engine: &Engine) {
    wait_for("the packet thread to know of it", || {
        engine.health()[0].waiting == 0
    });
}

#[test]
fn gaps_before_during_and_after_the_device_add_up() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = at_device();
    let [at, phones] = V4_CALL;
    let call = Call::between(&engine, &there, at, phones);
    let mut speaker = Speaker::default();
    let mut passes = |left_out: u16, len: usize| {
        let (data, [at_client, at_agent]) = (speaker.say(left_out, len), call.pair.local);
        let (from, to) = (&call.client.rtp, &call.agent.rtp);
        assert_passes(from, at_client.rtp, to, at_agent.rtp, &data);
    };
    // Nobody has heard the agent: the sockets have all of this.
    for left_out in [0, 2, 0, 1] {
        passes(left_out, 172);
    }
    assert_eq!(call.heard(&engine), (3, 0));
    let [at_client, at_agent] = call.pair.local;
    assert_passes(
        &call.agent.rtp,
        at_agent.rtp,
        &call.client.rtp,
        at_client.rtp,
        &audio(1),
    );
    let before = fate(&engine, Fate::SentOn);
    // At the device, but for what is too long for it and for the one that asks for the neighbour.
    for (left_out, len) in [(1, 172), (0, 172), (0, 3000), (0, 172), (2, 1480), (0, 172)] {
        passes(left_out, len);
    }
    assert!(fate(&engine, Fate::SentOn) >= before + 3);
    assert_eq!(call.heard(&engine), (6, 0));

    call.hold(&engine, true);
    told(&engine);
    let drops = || {
        flow(&engine, &call.pair, Side::Client, Component::Rtp)
            .drops
            .total()
    };
    for (n, left_out) in (1..).zip([0, 4, 0]) {
        call.send(&speaker.say(left_out, 172));
        wait_for("it to be dropped", || drops() == n);
    }
    assert_eq!(call.heard(&engine), (10, 0));
    call.hold(&engine, false);
    told(&engine);
    for left_out in [0, 1, 0] {
        let data = speaker.say(left_out, 172);
        assert_passes(
            &call.client.rtp,
            at_client.rtp,
            &call.agent.rtp,
            at_agent.rtp,
            &data,
        );
    }
    call.send(&audio(speaker.next - 2));
    wait_for("the late one", || call.heard(&engine) == (11, 1));
    assert_eq!(speaker.left_out, 11);
}

#[test]
fn changes_while_packets_are_under_way_count_none_as_missing() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = at_device();
    let [at, phones] = V4_CALL;
    let call = Call::between(&engine, &there, at, phones);
    let mut speaker = Speaker::default();
    call.talk(&speaker.say(0, 172));
    let all = || flow(&engine, &call.pair, Side::Client, Component::Rtp).received;
    // Each time that the flow is taken back, the program may be amid counting one packet, which then
    // is sent on and not counted, or not heard.
    let (amid, start) = (50, Instant::now());
    for round in 0..100_u16 {
        call.hold(&engine, round % 2 == 0);
        for n in 0..20 {
            let left_out = u16::from(n == 7);
            call.send(&speaker.say(left_out, if n == 12 { 2000 } else { 172 }));
            if n % 2 == 0 {
                std::thread::sleep(PAUSE);
            }
        }
        told(&engine);
        // One that is read a hundred packets late would be taken for a stream that begins anew.
        let (said, amid) = (1 + 20 * (u64::from(round) + 1), u64::from(round / 2) + 1);
        wait_for("most packets", || all() + amid + 25 >= said);
    }
    call.send(&speaker.say(0, 172));
    wait_for("all packets", || {
        all() == 2002 || (all() >= 2002 - amid && start.elapsed() > Duration::from_secs(2))
    });
    // One that was passed up may be read when its flow has come back: it is late then, not lost.
    let (missing, late) = call.heard(&engine);
    let most = speaker.left_out + u32::try_from(amid).unwrap();
    let all = flow(&engine, &call.pair, Side::Client, Component::Rtp);
    assert!(
        (speaker.left_out..=most).contains(&(missing - late)),
        "{missing} {late} {all:?}"
    );
    assert!(fate(&engine, Fate::SentOn) > 100);
}

#[test]
fn gaps_while_no_relay_is_there_are_counted_by_the_next_one() {
    if !alone() {
        return;
    }
    let (there, directory) = (Elsewhere::join(), file_system());
    let engine = keeping(&directory, 20_000..=20_999);
    let (client, agent, pair) = settled_call(&engine, &there);
    let [at_client, at_agent] = pair.local;
    let pass = |sequences: &[u16]| {
        for sequence in sequences {
            let data = audio(*sequence);
            assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
        }
    };
    pass(&[1, 2, 4]);
    let left = engine.hand_over(pair.id).unwrap();
    engine.leave();
    drop(engine);
    pass(&[5, 8]);
    let engine = keeping(&directory, 20_000..=20_999);
    let pair = engine.adopt(&left).unwrap();
    told(&engine);
    pass(&[9, 11]);
    let heard = || flow(&engine, &pair, Side::Client, Component::Rtp).heard;
    assert_eq!((heard().missing(), heard().late()), (4, 0));
    // And when the flow comes back to the sockets.
    let mut held = agent.remote();
    held.receives = false;
    engine.set_remote(pair.id, Side::Agent, held).unwrap();
    told(&engine);
    client.rtp.send_to(&audio(14), at_client.rtp).unwrap();
    wait_for("it to be heard", || heard().missing() == 6);
}
