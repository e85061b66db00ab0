//! F1: each packet thread is a thread of its own, pinned to the core that it was given.
#![allow(clippy::unwrap_used)]

use crate::engine_support::{alone, start};
use patchbay_relay::engine::EngineConfig;

/// The cores that the kernel lets a thread run on, as `/proc` lists them.
fn allowed_cores(tid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("Cpus_allowed_list:"));
    line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn packet_threads_run_where_they_are_told_to() {
    if !alone() {
        return;
    }
    let config = EngineConfig {
        threads: 2,
        cpus: vec![0],
        ports: 17_000..=17_099,
        ..EngineConfig::default()
    };
    let engine = start(config);
    let health = engine.health();
    assert_eq!(health.len(), 2);
    assert_ne!(health[0].tid, health[1].tid);
    for thread in health {
        assert_eq!((thread.alive, thread.cpu), (true, Some(0)));
        assert_eq!(allowed_cores(thread.tid), "0");
    }
}
