//! B7: calls come and go in bursts larger than a packet thread takes at once, and no packet of a
//! call that stands is lost.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::engine_support::*;
use patchbay_relay::engine::{OpenError, OpenPair, PairSpec, Side};

/// Pairs of a burst: their commands are more than wait in the queue, so that it fills up too.
const BURST: usize = 600;

fn opened(engine: &patchbay_relay::engine::Engine) -> OpenPair {
    loop {
        match engine.open(PairSpec::new(HERE_V4, HERE_V4)) {
            Ok(pair) => return pair,
            Err(error) => assert!(matches!(error, OpenError::Busy), "{error}"),
        }
    }
}

#[test]
fn bursts_of_new_and_ending_calls_leave_the_others_alone() {
    if !alone() {
        return;
    }
    let engine = engine(2_000, 4_799);
    let (client, agent, standing) = call(&engine);
    let free = engine.totals().ports_free;
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let talking = threads.spawn(|| {
            let mut exchanged = 0_u64;
            while !done.load(SeqCst) {
                let data = exchanged.to_be_bytes();
                let [at_client, at_agent] = standing.local;
                assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, &data);
                exchanged += 1;
                std::thread::sleep(PAUSE);
            }
            exchanged
        });
        let remote = client.remote();
        for _ in 0..3 {
            let burst: Vec<OpenPair> = (0..BURST).map(|_| opened(&engine)).collect();
            for pair in &burst {
                while engine.set_remote(pair.id, Side::Agent, remote).is_err() {}
            }
            burst.iter().for_each(|pair| engine.close(pair.id));
            wait_for("the ports", || engine.totals().ports_free == free);
        }
        done.store(true, SeqCst);
        assert!(talking.join().unwrap() > 0);
    });
    assert_eq!(engine.stats(standing.id).unwrap().drops().total(), 0);
    assert_eq!(engine.totals().pairs_open, 1);
}
