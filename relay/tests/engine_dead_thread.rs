//! F1: a packet thread that fails is reported and takes its own pairs only.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{CommandError, Engine, EngineConfig, OpenError, PairSpec, Side};

#[test]
fn a_thread_that_fails_takes_its_own_pairs_only() {
    let config = EngineConfig {
        threads: 2,
        ports: 16_000..=16_099,
        ..EngineConfig::default()
    };
    let engine = Engine::start(config).unwrap();
    let calls = [call(&engine), call(&engine)];
    let (dead, living) = (calls[0].2.id.thread(), calls[1].2.id.thread());
    assert_ne!(dead, living);
    assert!(
        engine
            .health()
            .iter()
            .all(|thread| thread.alive && thread.tid > 0 && thread.pairs == 1)
    );
    engine.fail_thread(usize::from(dead));
    wait_for("the failure to be reported", || {
        !engine.health()[usize::from(dead)].alive
    });
    let health = engine.health();
    let (dead, living) = (&health[usize::from(dead)], &health[usize::from(living)]);
    assert_eq!(
        (dead.failure.as_deref(), dead.pairs),
        (Some("asked to fail"), 0)
    );
    assert_eq!(
        (living.alive, living.failure.as_deref(), living.pairs),
        (true, None, 1)
    );

    let (lost, kept) = (&calls[0], &calls[1]);
    assert_eq!(engine.stats(lost.2.id), None);
    assert_eq!(
        engine.set_remote(lost.2.id, Side::Client, lost.0.remote()),
        Err(CommandError::UnknownPair)
    );
    engine.close(lost.2.id);
    let [at_client, at_agent] = kept.2.local;
    assert_passes(
        &kept.0.rtp,
        at_client.rtp,
        &kept.1.rtp,
        at_agent.rtp,
        b"goes on",
    );
    let (client, agent, pair) = call(&engine);
    assert_eq!(pair.id.thread(), kept.2.id.thread());
    assert_passes(
        &client.rtp,
        pair.local[0].rtp,
        &agent.rtp,
        pair.local[1].rtp,
        b"new",
    );

    engine.fail_thread(living.thread);
    wait_for("the failure to be reported", || {
        !engine.health()[living.thread].alive
    });
    assert!(matches!(
        engine.open(PairSpec::new(V4, V4)),
        Err(OpenError::NotRunning)
    ));
    assert_eq!(engine.totals().pairs_open, 0);
}
