//! F7, B7, G1: settled flows go on while no relay is there, and the next one takes them over, without a
//! packet lost, sent twice or out of order.
#![allow(clippy::unwrap_used, unsafe_code)]

use crate::engine_support::elsewhere::{Elsewhere, ip, open};
use crate::engine_support::*;
use patchbay_relay::engine::xdp::Fate;
use patchbay_relay::engine::{
    Component, Engine, EngineConfig, EngineKind, KeepFlows, OpenPair, Side,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Packets that may be on their way at once: a wire holds 256.
const ON_THE_WAY: u32 = 64;
/// And no more than so many a second, because a flood at one port is cut off.
const PAUSE: Duration = Duration::from_micros(40);

/// A BPF file system that only this test sees.
pub fn file_system() -> PathBuf {
    // SAFETY: changes the mount namespace of this thread alone and touches no memory.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
    let directory = std::env::temp_dir();
    for words in [
        &["--make-rprivate", "/"][..],
        &["-t", "bpf", "bpf", directory.to_str().unwrap()],
    ] {
        let status = Command::new("mount").args(words).status();
        assert!(status.unwrap().success());
    }
    directory.join("relay")
}

pub fn keeping(directory: &Path, ports: std::ops::RangeInclusive<u16>) -> Started {
    keeping_for(Duration::from_secs(3600), directory, ports)
}

fn keeping_for(time: Duration, directory: &Path, ports: std::ops::RangeInclusive<u16>) -> Started {
    start(EngineConfig {
        ports,
        kind: EngineKind::Xdp,
        devices: vec!["here".to_owned()],
        keep: Some(KeepFlows {
            directory: directory.to_owned(),
            time,
        }),
        ..EngineConfig::default()
    })
}

/// Two phones that talk until their flows are settled.
pub fn settled_call(engine: &Engine, there: &Elsewhere) -> (Phone, Phone, OpenPair) {
    let [client, agent] = ["10.88.0.2"; 2].map(|phone| there.phone(ip(phone)));
    let pair = open(engine, [&client, &agent], ["10.88.0.1"; 2].map(ip));
    let before = sent_on(engine);
    wait_for("the call to be settled", || {
        talk(
            &client,
            &agent,
            pair.local.map(|local| local.rtp),
            b"\x80\0ring",
        );
        sent_on(engine) > before + 10
    });
    (client, agent, pair)
}

/// One packet each way.
fn talk(client: &Phone, agent: &Phone, at: [SocketAddr; 2], data: &[u8]) {
    assert_passes(&client.rtp, at[0], &agent.rtp, at[1], data);
    assert_passes(&agent.rtp, at[1], &client.rtp, at[0], data);
}

fn sent_on(engine: &Engine) -> u64 {
    fate(engine, Fate::SentOn)
}

/// Numbered packets from one phone to the other, as many as are on their way at once, until told to
/// stop; how many came is told as they come. Panics if one does not come, or not in its turn.
fn stream(client: &Phone, agent: &Phone, at: SocketAddr, came: &AtomicU32, stop: &AtomicBool) {
    let (mut sent, mut last) = (0_u32, Instant::now());
    loop {
        let number = came.load(SeqCst);
        while last.elapsed() >= PAUSE && sent - number < ON_THE_WAY && !stop.load(SeqCst) {
            last = Instant::now();
            let mut data = packet(0, 172);
            data[4..8].copy_from_slice(&sent.to_be_bytes());
            client.rtp.send_to(&data, at).unwrap();
            sent += 1;
        }
        match (number == sent, stop.load(SeqCst)) {
            (true, true) => return,
            (true, false) => {
                std::thread::yield_now();
                continue;
            }
            _ => {}
        }
        let (data, _) = receive(&agent.rtp);
        assert_eq!(data[4..8], number.to_be_bytes(), "after {number} packets");
        came.store(number + 1, SeqCst);
    }
}

#[test]
fn no_packet_is_lost_while_one_relay_goes_and_the_next_comes() {
    if !alone() {
        return;
    }
    let (there, directory) = (Elsewhere::join(), file_system());
    let engine = keeping(&directory, 20_000..=20_999);
    let (client, agent, pair) = settled_call(&engine, &there);
    let at = pair.local.map(|local| local.rtp);
    let (came, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let (engine, pair) = std::thread::scope(|scope| {
        let (mut engine, mut pair) = (engine, pair);
        let streaming = scope.spawn(|| stream(&client, &agent, at[0], &came, &stop));
        let some_more = |what| {
            let from = came.load(SeqCst);
            wait_for(what, || {
                came.load(SeqCst) > from + 500 || streaming.is_finished()
            });
            assert!(!streaming.is_finished(), "{what}");
        };
        for _ in 0..4 {
            some_more("packets with a relay");
            let left = engine.hand_over(pair.id).unwrap();
            engine.leave();
            drop(engine);
            some_more("packets without a relay");
            engine = keeping(&directory, 20_000..=20_999);
            assert_eq!(engine.totals().device.unwrap().orphans, 2);
            some_more("packets with the next relay");
            pair = engine.adopt(&left).unwrap();
            wait_for("the packet thread to know of it", || {
                engine.health()[0].waiting == 0 && engine.totals().device.unwrap().orphans == 0
            });
        }
        some_more("packets after it all");
        stop.store(true, SeqCst);
        (engine, pair)
    });
    // It was sent on at the device all the time, and every packet counts for the call.
    let flow = flow(&engine, &pair, Side::Client, Component::Rtp);
    let before = flow.accepted - u64::from(came.load(SeqCst));
    assert!((1..1000).contains(&before), "{before} before the stream");
    assert_eq!(flow.drops.total(), 0);
    let read: u64 = engine.totals().threads.iter().map(|t| t.received).sum();
    assert_eq!(read, 0, "the last engine's thread has read nothing");

    // It is the new relay's, like any other call.
    talk(&client, &agent, at, &packet(7, 172));
    let stranger = there.phone(ip("10.88.0.2"));
    let refused = || refused(&engine, &pair, Side::Client, Component::Rtp);
    let already = refused();
    stranger.rtp.send_to(&packet(9, 172), at[0]).unwrap();
    wait_for("the stranger to be refused", || refused() > already);
    engine.close(pair.id);
    wait_for("the pair to go", || engine.totals().pairs_open == 0);
    client.rtp.send_to(&packet(8, 172), at[0]).unwrap();
    assert_silent(&agent.rtp);
}

#[test]
fn what_nobody_claims_keeps_its_ports_and_goes_with_the_relay() {
    if !alone() {
        return;
    }
    let (there, directory) = (Elsewhere::join(), file_system());
    // Room for two calls at one address.
    let engine = keeping(&directory, 20_000..=20_007);
    let (client, agent, pair) = settled_call(&engine, &there);
    let at = pair.local.map(|local| local.rtp);
    engine.leave();
    drop(engine);
    talk(&client, &agent, at, &packet(1, 172));

    let engine = keeping(&directory, 20_000..=20_007);
    assert_eq!(engine.totals().device.unwrap().orphans, 2);
    // Another call has other ports, and a third has none.
    let (_, _, other) = settled_call(&engine, &there);
    assert!(other.local.iter().all(|local| !at.contains(&local.rtp)));
    let spec = patchbay_relay::engine::PairSpec::new(ip("10.88.0.1"), ip("10.88.0.1"));
    assert!(engine.open(spec).is_err());
    talk(&client, &agent, at, &packet(2, 172));
    // It goes for good: nothing stays behind.
    drop(engine);
    client.rtp.send_to(&packet(3, 172), at[0]).unwrap();
    assert_silent(&agent.rtp);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn a_relay_that_stays_away_is_given_up() {
    if !alone() {
        return;
    }
    let (there, directory) = (Elsewhere::join(), file_system());
    let engine = keeping_for(Duration::from_secs(1), &directory, 20_000..=20_999);
    let (client, agent, pair) = settled_call(&engine, &there);
    let at = pair.local.map(|local| local.rtp);
    engine.leave();
    drop(engine);
    let left = Instant::now();
    wait_for("its time to end", || {
        left.elapsed() > Duration::from_millis(1100)
    });
    client.rtp.send_to(&packet(1, 172), at[0]).unwrap();
    assert_silent(&agent.rtp);
    let engine = keeping(&directory, 20_000..=20_999);
    assert_eq!(engine.totals().device.unwrap().orphans, 0);
    client.rtp.send_to(&packet(2, 172), at[0]).unwrap();
    assert_silent(&agent.rtp);
}

#[test]
fn other_ports_begin_anew() {
    if !alone() {
        return;
    }
    let (there, directory) = (Elsewhere::join(), file_system());
    let engine = keeping(&directory, 20_000..=20_999);
    let (client, agent, pair) = settled_call(&engine, &there);
    let at = pair.local.map(|local| local.rtp);
    engine.leave();
    drop(engine);
    let engine = keeping(&directory, 21_000..=21_999);
    assert_eq!(engine.totals().device.unwrap().orphans, 0);
    client.rtp.send_to(&packet(3, 172), at[0]).unwrap();
    assert_silent(&agent.rtp);
    settled_call(&engine, &there);
}

#[test]
fn a_directory_that_can_keep_nothing_is_named() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let engine = keeping(
        &std::env::temp_dir().join("patchbay-no-bpf"),
        20_000..=20_999,
    );
    let path = engine.media_path().to_string();
    assert!(path.contains("settled flows at here (native)"), "{path}");
    assert!(path.contains("end with this process"), "{path}");
    assert!(path.contains("mount -t bpf"), "{path}");
    settled_call(&engine, &there);
}
