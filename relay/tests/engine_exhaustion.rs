//! F1: without ports, rows or a local address nothing is opened and nothing leaks.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{EngineConfig, OpenError, PairSpec};
use std::net::UdpSocket;

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn refusals_leave_nothing_behind() {
    if !alone() {
        return;
    }
    let config = EngineConfig {
        ports: 11_700..=11_713,
        max_pairs: 2,
        ..EngineConfig::default()
    };
    let engine = start(config);
    engine.settles_nothing("nobody sends anything");
    // Somebody else has a port in the middle of one pair.
    let _other = UdpSocket::bind((HERE_V4, 11_703)).unwrap();
    let spec = PairSpec::new(HERE_V4, HERE_V4);
    let first = engine.open(spec).unwrap();
    let second = engine.open(spec).unwrap();
    let ports: Vec<u16> = [first, second]
        .iter()
        .flat_map(|p| p.local)
        .map(|l| l.rtp.port())
        .collect();
    assert!(!ports.contains(&11_702));
    assert!(matches!(
        engine.open(spec),
        Err(OpenError::TableFull { capacity: 2 })
    ));
    assert_eq!(engine.totals().ports_free, 3);
    engine.close(first.id);
    engine.close(second.id);
    wait_for("the ports to come back", || engine.totals().ports_free == 7);

    let before = open_files();
    let nowhere = "192.0.2.200".parse().unwrap();
    for _ in 0..100 {
        // The client's ports are taken first, and must come back when the agent's fail.
        assert!(matches!(
            engine.open(PairSpec::new(HERE_V4, nowhere)),
            Err(OpenError::Socket { .. })
        ));
    }
    assert_eq!((open_files(), engine.totals().ports_free), (before, 7));
    assert_eq!(engine.totals().pairs_open, 0);

    drop(engine);
    // Six of seven port pairs can be had: the third call finds one of the two that it needs.
    let many = EngineConfig {
        ports: 11_700..=11_709,
        max_pairs: 9,
        ..EngineConfig::default()
    };
    let engine = start(many);
    engine.settles_nothing("nobody sends anything");
    let kept: Vec<_> = (0..2).map(|_| engine.open(spec).unwrap()).collect();
    for _ in 0..20 {
        assert!(matches!(
            engine.open(spec),
            Err(OpenError::PortsExhausted { local_ip: HERE_V4 })
        ));
    }
    assert_eq!(engine.totals().ports_free, 1);
    engine.close(kept[0].id);
    wait_for("the ports to come back", || engine.totals().ports_free == 3);
    engine.open(spec).unwrap();
}
