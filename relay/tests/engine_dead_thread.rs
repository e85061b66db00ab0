//! F1: a packet thread that fails is reported, takes its own pairs only, and comes back.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::engine_support::*;
use patchbay_relay::engine::{
    CommandError, Drill, Engine, EngineConfig, FIRST_RESTART_AFTER, MAX_RESTARTS, OpenError,
    OpenPair, PairSpec, RESTART_PERIOD, Side, Supervised, ThreadChange,
};

/// Longer than any wait before a restart.
const LONG: Duration = Duration::from_secs(60);

fn two_threads(first_port: u16) -> Started {
    start(EngineConfig {
        threads: 2,
        ports: first_port..=first_port + 49,
        ..EngineConfig::default()
    })
}

fn thread_of(pair: &OpenPair) -> usize {
    usize::from(pair.id.thread())
}

/// Makes a thread fail and waits until the engine has noticed.
fn kill(engine: &Engine, thread: usize, how: Drill) {
    engine.drill(thread, how);
    wait_for("the failure to be reported", || {
        !engine.health()[thread].alive
    });
}

/// Supervises at `now` until something has happened.
fn supervise_until_change(engine: &Engine, now: Instant) -> Supervised {
    let mut seen = Supervised::default();
    wait_for("a change", || {
        seen = engine.supervise(now);
        !seen.changes.is_empty()
    });
    seen
}

fn carries((client, agent, pair): &(Phone, Phone, OpenPair), data: &[u8]) {
    let [at_client, at_agent] = pair.local;
    for _ in 0..2 {
        assert_passes(&client.rtp, at_client.rtp, &agent.rtp, at_agent.rtp, data);
        assert_passes(&agent.rtp, at_agent.rtp, &client.rtp, at_client.rtp, data);
    }
}

#[test]
fn a_thread_that_fails_takes_its_own_pairs_only() {
    if !alone() {
        return;
    }
    let engine = two_threads(18_000);
    let calls = [call(&engine), call(&engine)];
    let (dead, living) = (thread_of(&calls[0].2), thread_of(&calls[1].2));
    assert_ne!(dead, living);
    assert!(
        engine
            .health()
            .iter()
            .all(|thread| thread.alive && thread.tid > 0 && thread.pairs == 1)
    );
    carries(&calls[0], b"counted");
    kill(&engine, dead, Drill::Fail);
    let health = engine.health();
    assert_eq!(
        (health[dead].failure.as_deref(), health[dead].pairs),
        (Some("asked to fail"), 0)
    );
    assert!(!health[dead].stays_down);
    assert_eq!(
        (
            health[living].alive,
            health[living].failure.as_deref(),
            health[living].pairs
        ),
        (true, None, 1)
    );

    let lost = &calls[0];
    assert_eq!(
        engine.set_remote(lost.2.id, Side::Client, lost.0.remote()),
        Err(CommandError::UnknownPair)
    );
    let last = engine.stats(lost.2.id).unwrap();
    assert_eq!(last.flows.iter().map(|flow| flow.received).sum::<u64>(), 4);
    // Nothing sends its packets on.
    let [at_client, _] = lost.2.local;
    lost.0.rtp.send_to(b"lost", at_client.rtp).unwrap();
    engine.close(lost.2.id);
    assert_eq!(engine.stats(lost.2.id), None);
    carries(&calls[1], b"goes on");
    assert_silent(&lost.1.rtp);
    let new = call(&engine);
    assert_eq!(thread_of(&new.2), living);
    carries(&new, b"new");

    kill(&engine, living, Drill::Fail);
    assert!(matches!(
        engine.open(PairSpec::new(HERE_V4, HERE_V4)),
        Err(OpenError::NotRunning)
    ));
    assert_eq!(engine.totals().pairs_open, 0);
}

#[test]
fn a_dead_thread_comes_back_while_the_other_carries_media() {
    if !alone() {
        return;
    }
    let engine = two_threads(18_050);
    let calls = [call(&engine), call(&engine)];
    let (lost, kept) = (&calls[0], &calls[1]);
    let dead = thread_of(&lost.2);
    carries(lost, b"before");
    let counted = || engine.totals().threads[dead].received;
    let before = counted();
    assert!(before > 0);
    let start = Instant::now();
    let (done, exchanged) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(SeqCst) {
                let number = exchanged.load(SeqCst);
                carries(kept, &number.to_be_bytes());
                exchanged.store(number + 1, SeqCst);
                std::thread::sleep(PAUSE);
            }
        });
        kill(&engine, dead, Drill::Panic);
        let died = supervise_until_change(&engine, start);
        assert_eq!(died.lost, [lost.2.id]);
        assert_eq!(
            died.changes,
            [ThreadChange::Died {
                thread: dead,
                failure: "panicked: asked to panic".to_owned(),
                pairs: 1,
                restart_in: Some(FIRST_RESTART_AFTER),
            }]
        );
        let early = engine.supervise(start + FIRST_RESTART_AFTER / 2);
        assert!(early.changes.is_empty() && early.lost.is_empty());
        let back = supervise_until_change(&engine, start + FIRST_RESTART_AFTER);
        assert_eq!(back.changes, [ThreadChange::Restarted { thread: dead }]);
        let so_far = exchanged.load(SeqCst);
        wait_for("media to go on", || exchanged.load(SeqCst) > so_far);
        done.store(true, SeqCst);
    });

    let health = &engine.health()[dead];
    assert!(health.alive && health.restarts == 1 && health.pairs == 0);
    assert_eq!(health.failure.as_deref(), Some("panicked: asked to panic"));
    // The name of the lost pair is not given again, though its row is.
    let new = call(&engine);
    assert_eq!(thread_of(&new.2), dead);
    assert_eq!(new.2.id.row(), lost.2.id.row());
    assert_ne!(new.2.id, lost.2.id);
    engine.close(lost.2.id);
    carries(&new, b"after");
    // What the dead thread had counted is kept.
    assert!(counted() > before);
    assert_eq!(engine.stats(kept.2.id).unwrap().drops().total(), 0);
    assert_eq!(
        engine.totals().pairs_capacity,
        EngineConfig::default().max_pairs
    );
}

#[test]
fn a_thread_that_dies_too_often_stays_down_and_says_so() {
    if !alone() {
        return;
    }
    let engine = two_threads(18_100);
    let mut now = Instant::now();
    let free = || engine.totals().ports_free;
    let all = free();
    for _ in 0..MAX_RESTARTS {
        let lost = [call(&engine), call(&engine)];
        let of_it = lost.iter().find(|call| thread_of(&call.2) == 0).unwrap();
        carries(of_it, b"alive");
        kill(&engine, 0, Drill::Fail);
        supervise_until_change(&engine, now);
        now += LONG;
        let back = supervise_until_change(&engine, now);
        assert_eq!(back.changes, [ThreadChange::Restarted { thread: 0 }]);
        lost.iter().for_each(|call| engine.close(call.2.id));
        wait_for("the ports", || free() == all);
    }
    kill(&engine, 0, Drill::Fail);
    let last = supervise_until_change(&engine, now);
    assert!(matches!(
        last.changes[..],
        [ThreadChange::Died {
            thread: 0,
            restart_in: None,
            ..
        }]
    ));
    assert!(last.changes[0].to_string().contains("restart the relay"));
    let never = engine.supervise(now + RESTART_PERIOD * 2);
    assert!(never.changes.is_empty());
    let health = &engine.health()[0];
    assert!(!health.alive && health.stays_down);
    assert_eq!(health.restarts, MAX_RESTARTS as u64);
    let elsewhere = call(&engine);
    assert_eq!(thread_of(&elsewhere.2), 1);
    carries(&elsewhere, b"the other thread goes on");
}

#[test]
fn an_engine_that_ends_while_a_thread_starts_ends_that_one_too() {
    if !alone() {
        return;
    }
    let engine = two_threads(18_150);
    engine.settles_nothing("there are no calls");
    let now = Instant::now();
    kill(&engine, 1, Drill::Fail);
    supervise_until_change(&engine, now);
    // It begins to start, and whether it is ready yet nobody knows.
    let _ = engine.supervise(now + LONG);
    engine.shutdown();
    assert!(engine.supervise(now + 2 * LONG).changes.is_empty());
    assert!(engine.health().iter().all(|thread| !thread.alive));
}
