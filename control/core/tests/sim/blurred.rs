//! The comparison of the distributor's state with the events can fail: something of a snapshot is changed, one
//! thing for each comparison, and caught by that comparison.

use super::planted::{PROFILE, message};
use super::{World, whole};
use patchbay_core::snapshot::{AgentView, ContactState, ContactView, QueueView};
use patchbay_core::{Activity, OfferId, Snapshot, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Changes something of a snapshot; false if there is nothing of the kind.
type Blur = fn(&mut Snapshot) -> bool;

fn agent_view(snapshot: &mut Snapshot, change: impl Fn(&mut AgentView)) -> bool {
    snapshot.agents.first_mut().map(change).is_some()
}

fn contact_view(
    snapshot: &mut Snapshot,
    is: impl Fn(&ContactView) -> bool,
    change: impl Fn(&mut ContactView),
) -> bool {
    let found = snapshot.contacts.iter_mut().find(|view| is(view));
    found.map(change).is_some()
}

fn waiting(view: &ContactView) -> bool {
    view.state == ContactState::Waiting
}

fn queue_view(snapshot: &mut Snapshot, change: fn(&mut QueueView)) -> bool {
    let mut queues = snapshot.queues.iter_mut();
    queues
        .find(|view| view.waiting.len() > 1)
        .map(change)
        .is_some()
}

const BLURS: [(&str, Blur); 15] = [
    ("the agents", |s| s.agents.pop().is_some()),
    ("events and state", |s| {
        agent_view(s, |a| a.reachable = !a.reachable)
    }),
    ("events and state", |s| {
        agent_view(s, |a| a.declared = !a.declared)
    }),
    ("events and state", |s| {
        agent_view(s, |a| a.status = Status::Paused { reason: "x".into() })
    }),
    ("events and state", |s| {
        let until_unix_ms = 1;
        agent_view(s, |a| a.activity = Activity::WrapUp { until_unix_ms })
    }),
    ("what a", |s| agent_view(s, |a| a.calls += 1)),
    ("takes ", |s| agent_view(s, |a| a.available = !a.available)),
    ("the queues", |s| s.queues.pop().is_some()),
    ("places in", |s| queue_view(s, |q| q.waiting.swap(0, 1))),
    ("who is rung", |s| {
        queue_view(s, |q| q.waiting[0].offered_to.push("nobody".into()))
    }),
    ("contacts without a final answer are lost", |s| {
        let at = s.contacts.iter().position(waiting);
        at.map(|at| s.contacts.remove(at)).is_some()
    }),
    ("calls", |s| {
        let calls = |view: &ContactView| view.state == ContactState::Connected;
        let at = s.contacts.iter().position(calls);
        at.map(|at| s.contacts.remove(at)).is_some()
    }),
    (" is connected by", |s| {
        let calls = |view: &ContactView| view.state == ContactState::Connected;
        contact_view(s, calls, |view| view.offer = Some(OfferId(1)))
    }),
    (" waits", |s| {
        contact_view(s, waiting, |view| view.state = ContactState::Offered)
    }),
    ("for whom", |s| {
        contact_view(s, waiting, |view| view.waits_for = Some("nobody".into()))
    }),
];

// G5
#[test]
fn each_difference_between_state_and_events_is_caught() {
    for (expected, blur) in BLURS {
        let mut world = World::new(7, PROFILE);
        world.begin();
        let mut snapshot = loop {
            assert!(world.step(), "no place for: {expected}");
            let mut snapshot = world.distributor.snapshot(world.now());
            if blur(&mut snapshot) {
                break snapshot;
            }
        };
        let compare =
            |snapshot: &Snapshot| whole::compare(&world.oracle.model, snapshot, world.now_ms);
        let found = message(catch_unwind(AssertUnwindSafe(|| compare(&snapshot))));
        assert!(found.contains(expected), "{found:?} for {expected:?}");
        snapshot = world.distributor.snapshot(world.now());
        compare(&snapshot);
    }
}
