//! B7: new calls go to the packet thread that carries least, by packets and not by calls.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::engine_support::*;
use patchbay_relay::engine::{EngineConfig, OpenPair, PairSpec};

/// New calls that all avoid the busy thread, though it has the fewer calls from the second on.
const CALLS: usize = 10;

#[test]
fn a_thread_that_is_busy_gets_no_new_calls_while_another_is_idle() {
    if !alone() {
        return;
    }
    let engine = start(EngineConfig {
        threads: 2,
        ports: 18_300..=18_399,
        ..EngineConfig::default()
    });
    let (client, _agent, heavy) = call(&engine);
    let busy = heavy.id.thread();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(SeqCst) {
                // The agent's socket may be full, and the port may not be listened to for a while.
                let _ = client.rtp.send_to(&[0x80; 172], heavy.local[0].rtp);
            }
        });
        wait_for("the busy thread to be spared", || {
            let open = |_| engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
            let calls: Vec<OpenPair> = (0..CALLS).map(open).collect();
            let spared = calls.iter().all(|call| call.id.thread() != busy);
            calls.iter().for_each(|call| engine.close(call.id));
            wait_for("the calls to be closed", || engine.totals().pairs_open == 1);
            spared
        });
        done.store(true, SeqCst);
    });
}
