//! F7: the best way for media is taken that there is, and the relay says which and why.
#![allow(clippy::unwrap_used)]

use crate::engine_support::elsewhere::{Elsewhere, ip, open};
use crate::engine_support::*;
use patchbay_relay::engine::xdp::{Driver, Fate, Mode, XdpConfig};
use patchbay_relay::engine::{Engine, EngineConfig, EngineError, EngineKind};

fn with(kind: EngineKind, devices: &[&str]) -> EngineConfig {
    EngineConfig {
        ports: 20_000..=20_999,
        kind,
        devices: devices.iter().map(|name| (*name).to_owned()).collect(),
        ..configured(EngineConfig::default())
    }
}

/// A call whose packets pass; how many of them at the device.
fn call_passes(engine: &Engine, there: &Elsewhere) -> u64 {
    let [client, agent] = ["10.88.0.2"; 2].map(|phone| there.phone(ip(phone)));
    let pair = open(engine, [&client, &agent], ["10.88.0.1"; 2].map(ip));
    let at = pair.local.map(|local| local.rtp);
    for n in 0..20 {
        assert_passes(&client.rtp, at[0], &agent.rtp, at[1], &packet(n, 172));
        assert_passes(&agent.rtp, at[1], &client.rtp, at[0], &packet(n, 172));
    }
    let device = engine.totals().device;
    device.map_or(0, |device| device.fates.get(Fate::SentOn))
}

#[test]
fn a_device_that_is_there_is_taken_and_named() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    for (kind, mode) in [(EngineKind::Xdp, "native"), (EngineKind::Auto, "generic")] {
        // What vouches for the far end of a veth is a name only.
        let engine = Engine::start(with(kind, &["here"])).unwrap();
        let path = engine.media_path().to_string();
        assert_eq!(
            path,
            format!("settled flows at here ({mode}), the rest steered")
        );
        assert!(call_passes(&engine, &there) > 30);
    }
    let engine = Engine::start(with(EngineKind::Uring, &[])).unwrap();
    assert!(engine.media_path().to_string().starts_with("ports steered"));
    assert_eq!(call_passes(&engine, &there), 0);
}

#[test]
fn what_stands_in_the_way_is_told_and_calls_pass_all_the_same() {
    if !alone() {
        return;
    }
    let there = Elsewhere::join();
    let small = XdpConfig {
        ports: 1024..=1025,
        ..XdpConfig::default()
    };
    let mut other = Driver::load(&small).unwrap().0;
    other.attach_as(&["here"], Mode::Native).unwrap();
    for (device, reason) in [
        ("here", "another program stands on here"),
        ("gone", "no device gone"),
    ] {
        let engine = Engine::start(with(EngineKind::Auto, &[device])).unwrap();
        let path = engine.media_path().to_string();
        assert!(path.starts_with("ports steered to one socket"), "{path}");
        assert!(path.contains(reason), "{path}");
        assert!(!path.contains('\n'));
        assert_eq!(call_passes(&engine, &there), 0);
        drop(engine);
        let refused = Engine::start(with(EngineKind::Xdp, &[device])).unwrap_err();
        assert!(matches!(refused, EngineError::Device(_)), "{refused}");
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}
