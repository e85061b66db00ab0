//! The oracle can fail: a wrong output or event is planted into what it hears, one for each
//! invariant, and caught by that invariant.

use super::model::{Agent, Contact};
use super::oracle::Oracle;
use super::{Plant, Profile, World, whole};
use patchbay_core::snapshot::{AgentView, ContactState, ContactView, QueueView};
use patchbay_core::{
    Activity, AgentId, ContactId, EndCause, Event, OfferEnd, OfferId, Output, RefuseReason,
    Snapshot, Status, What,
};
use patchbay_route::waiting::Say;
use std::panic::{AssertUnwindSafe, catch_unwind};

const PROFILE: Profile = Profile {
    calls: 120,
    between_ms: 3_000,
    loss: 3,
    double: 3,
    slow: 5,
    disturbed_every_ms: 5_000,
    // What is planted is to be found without a look at everything.
    whole_every: u64::MAX,
    day: None,
};
/// Nobody comes or goes.
const CALM: Profile = Profile {
    loss: 0,
    disturbed_every_ms: 0,
    ..PROFILE
};
/// Seeds in which a place for a fault is looked for.
const SEEDS: u64 = 2_000;

/// The first agent of which that is true.
fn agent(oracle: &Oracle, is: impl Fn(&AgentId, &Agent) -> bool) -> Option<AgentId> {
    let mut agents: Vec<_> = oracle.model.agents.iter().collect();
    agents.sort_unstable_by_key(|(id, _)| *id);
    let found = agents.into_iter().find(|(id, agent)| is(id, agent));
    found.map(|(id, _)| id.clone())
}

fn event(what: What) -> Output {
    Output::Event(Box::new(Event { unix_ms: 0, what }))
}

fn told(output: &Output) -> Option<&What> {
    match output {
        Output::Event(event) => Some(&event.what),
        _ => None,
    }
}

/// Says the first output of that kind twice.
fn double(said: &mut Vec<Output>, is: impl Fn(&Output) -> bool) -> bool {
    let at = said.iter().position(is);
    if let Some(at) = at {
        said.insert(at, said[at].clone());
    }
    at.is_some()
}

/// Lets an offer that is the first output of a step go to somebody else.
fn offer_to(
    oracle: &Oracle,
    said: &mut [Output],
    is: impl Fn(&Contact, &AgentId, &Agent) -> bool,
) -> bool {
    let Some(Output::Offer {
        contact, agent: to, ..
    }) = said.first_mut()
    else {
        return false;
    };
    let Some(found) = oracle.model.contacts.get(contact) else {
        return false;
    };
    let wrong = |id: &AgentId, agent: &Agent| {
        id != to && !found.skips.contains_key(id) && is(found, id, agent)
    };
    let wrong = agent(oracle, wrong);
    wrong.map(|agent| *to = agent).is_some()
}

/// Lets the offer of a contact that is for one agent go to another one.
fn to_another(oracle: &Oracle, said: &mut [Output]) -> bool {
    let offer = said.iter_mut().find_map(|output| match output {
        Output::Offer { contact, agent, .. } => Some((contact, agent)),
        _ => None,
    });
    let Some((contact, to)) = offer else {
        return false;
    };
    let only = &oracle.model.contacts.get(contact).map(|found| &found.only);
    let free = |id: &AgentId, agent: &Agent| agent.listed && agent.legs.is_empty() && id != to;
    let other = agent(oracle, free).filter(|_| only.is_some_and(|only| only.is_some()));
    other.map(|agent| *to = agent).is_some()
}

fn nothing_else(_: &Oracle, said: &mut Vec<Output>) -> bool {
    let waits = |output: &Output| {
        let told = matches!(
            told(output),
            Some(What::ContactTyped { .. } | What::ContactQueued { .. })
        );
        told || matches!(output, Output::Queued { .. } | Output::Hear { .. })
    };
    let typed = |output| matches!(told(output), Some(What::ContactTyped { .. }));
    let there = said.len() >= 3 && said.iter().all(waits) && said.iter().any(typed);
    if there {
        said.clear();
    }
    there
}

fn tell_who_hears_nothing(oracle: &Oracle, said: &mut Vec<Output>) -> bool {
    let heard = said
        .iter()
        .any(|output| matches!(output, Output::Hear { .. }));
    let queued = said.iter().find_map(|output| match output {
        Output::Queued { contact, .. } => Some(*contact),
        _ => None,
    });
    let Some(contact) = queued.filter(|_| !heard) else {
        return false;
    };
    if oracle
        .model
        .contacts
        .get(&contact)
        .is_some_and(|it| it.hears)
    {
        return false;
    }
    let say = Say::default();
    said.push(Output::Say { contact, say });
    true
}

fn swallow_refusal(said: &mut Vec<Output>, because: RefuseReason) -> bool {
    let before = said.len();
    said.retain(|output| match output {
        Output::Refuse { why, .. } => *why != because,
        output => {
            !matches!(told(output), Some(What::ContactRefused { why, .. }) if *why == because)
        }
    });
    said.len() < before
}

fn lost_offer(_: &Oracle, said: &mut Vec<Output>) -> bool {
    let offers = said.iter().filter(|o| matches!(o, Output::Offer { .. }));
    if offers.count() != 1 || said.len() > 4 {
        return false;
    }
    let before = said.len();
    said.retain(|output| {
        let state = matches!(told(output), Some(What::AgentState { .. }));
        let offered = matches!(told(output), Some(What::ContactOffered { .. }));
        !state && !offered && !matches!(output, Output::Offer { .. })
    });
    said.len() == before - 3
}

fn too_soon(oracle: &Oracle, said: &mut Vec<Output>) -> bool {
    let Some(What::OfferFailed {
        contact,
        agent,
        why,
        ..
    }) = said.first().and_then(told)
    else {
        return false;
    };
    if *why != OfferEnd::Declined || !oracle.model.contacts.contains_key(contact) {
        return false;
    }
    let again = Output::Offer {
        contact: *contact,
        offer: OfferId(1),
        agent: agent.clone(),
        ring_for: Default::default(),
        way: Default::default(),
    };
    said.insert(1, again);
    true
}

fn overtakes(oracle: &Oracle, said: &mut [Output]) -> bool {
    let Some(Output::Offer { contact, agent, .. }) = said.first_mut() else {
        return false;
    };
    let found = oracle.model.contacts.get(contact);
    let queue = found.and_then(|found| oracle.model.queues.get(found.queue.as_ref()?));
    let Some((found, queue)) = found.zip(queue) else {
        return false;
    };
    let to = &oracle.model.agents[agent];
    let mut behind = queue.places.range(found.place..).skip(1);
    let other = behind.find(|(_, _, id)| {
        let other = &oracle.model.contacts[id];
        let may = other.waits_for.is_none() && other.only.is_none() && to.qualifies(other);
        may && other.waiting() && other.skips.is_empty()
    });
    let is_plain = found.waiting() && found.skips.is_empty() && found.only.is_none();
    match other.filter(|_| is_plain && to.free(u64::MAX)) {
        Some((_, _, id)) => {
            *contact = *id;
            true
        }
        None => false,
    }
}

/// A call of somebody who is not at work, which the relay never had.
fn phantom(oracle: &Oracle, said: &mut Vec<Output>) -> bool {
    let away = |_: &AgentId, agent: &Agent| !agent.ready() && agent.activity == Activity::Idle;
    if oracle.connected == 0 {
        return false;
    }
    let Some(agent) = agent(oracle, away) else {
        return false;
    };
    let (contact, offer) = (ContactId(1), OfferId(1));
    let activity = Activity::InCall { offer, contact };
    said.push(event(What::ContactAdopted {
        contact,
        offer,
        agent: agent.clone(),
        since_unix_ms: 0,
    }));
    said.push(event(What::AgentState { agent, activity }));
    true
}

/// Changes the first event for which that can be done.
fn retell(said: &mut [Output], change: impl Fn(&mut What) -> bool) -> bool {
    said.iter_mut().any(|output| match output {
        Output::Event(event) => change(&mut event.what),
        _ => false,
    })
}

/// What is planted into a step.
const PLANTS: [(&str, Profile, Plant); 26] = [
    ("is told and was not made", PROFILE, |_, said| {
        retell(said, |what| match what {
            What::ContactOffered { offer, .. } => {
                *offer = OfferId(1);
                true
            }
            _ => false,
        })
    }),
    (" as told", PROFILE, |_, said| {
        retell(said, |what| match what {
            What::ContactRefused { status, .. } => {
                *status += 1;
                true
            }
            _ => false,
        })
    }),
    ("as a second answer", PROFILE, |_, said| {
        double(said, |output| matches!(output, Output::Accept { .. }))
    }),
    ("an offer's name is used again", PROFILE, |_, said| {
        double(said, |output| matches!(output, Output::Offer { .. }))
    }),
    ("which is not there, is offered", PROFILE, |_, said| {
        let offer = said.iter_mut().find_map(|output| match output {
            Output::Offer { contact, .. } => Some(contact),
            _ => None,
        });
        offer.map(|contact| *contact = ContactId(1)).is_some()
    }),
    ("too soon", PROFILE, too_soon),
    ("more than it takes at a time", PROFILE, |oracle, said| {
        let full = |_: &Contact, _: &AgentId, a: &Agent| a.legs.len() >= a.capacity;
        offer_to(oracle, said, full)
    }),
    ("is not free and gets an offer", PROFILE, |oracle, said| {
        let away = |_: &Contact, _: &AgentId, a: &Agent| !a.ready() && a.legs.is_empty();
        offer_to(oracle, said, away)
    }),
    ("which it cannot serve", PROFILE, |oracle, said| {
        let unfit = |c: &Contact, _: &AgentId, a: &Agent| {
            a.listed && a.legs.is_empty() && c.only.is_none() && !a.qualifies(c)
        };
        offer_to(oracle, said, unfit)
    }),
    (" is for Some", PROFILE, |oracle, said| {
        to_another(oracle, said)
    }),
    (" overtakes ", PROFILE, |oracle, said| {
        overtakes(oracle, said)
    }),
    ("is told another place in", PROFILE, |_, said| {
        let place = said.iter_mut().find_map(|output| match output {
            Output::Queued { position, .. } => Some(position),
            _ => None,
        });
        place.map(|position| *position += 1).is_some()
    }),
    ("ends twice, or never began", PROFILE, |_, said| {
        double(said, |output| {
            matches!(told(output), Some(What::OfferFailed { .. }))
        })
    }),
    ("is told twice", PROFILE, |_, said| {
        double(said, |output| {
            matches!(told(output), Some(What::AgentState { .. }))
        })
    }),
    ("is said to be", PROFILE, |_, said| {
        let before = said.len();
        said.retain(|output| !matches!(told(output), Some(What::AgentState { .. })));
        said.len() < before && !said.iter().any(|o| matches!(o, Output::Offer { .. }))
    }),
    ("is stuck with", CALM, phantom),
    ("is idle while", PROFILE, lost_offer),
    ("waits for ever", CALM, |_, said| {
        swallow_refusal(said, RefuseReason::WaitedTooLong)
    }),
    ("which is for one agent, waits", PROFILE, |_, said| {
        swallow_refusal(said, RefuseReason::AgentUnavailable)
    }),
    ("was never typed", PROFILE, nothing_else),
    ("is to hear a second time", PROFILE, |_, said| {
        double(said, |output| matches!(output, Output::Hear { .. }))
    }),
    (
        "who hears nothing, is told",
        PROFILE,
        tell_who_hears_nothing,
    ),
    ("which is gone", PROFILE, |_, said| {
        swallow_refusal(said, RefuseReason::QueueRemoved)
    }),
    ("is on no relay", PROFILE, |oracle, said| {
        let legs = oracle.model.legs.iter();
        let mut outside = legs.filter(|(offer, _)| oracle.model.outside.contains(offer));
        let unwanted = outside.next().map(|(offer, leg)| What::SessionUnwanted {
            contact: leg.contact,
            offer: *offer,
            agent: leg.agent.clone(),
        });
        said.extend(unwanted.map(event));
        said.iter()
            .any(|output| matches!(told(output), Some(What::SessionUnwanted { .. })))
    }),
    ("waits and nobody asks", CALM, |oracle, said| {
        // One that was given up by its caller was answered before.
        let given_up = |output: &Output| match told(output) {
            Some(What::ContactAbandoned { contact, .. }) => {
                oracle.model.contacts.contains_key(contact)
            }
            _ => false,
        };
        said.len() == 1 && said.iter().all(given_up) && said.pop().is_some()
    }),
    ("is outside for ever", CALM, |_, said| {
        let over = |output: &Output| match told(output) {
            Some(What::ContactEnded { cause, .. }) => *cause == EndCause::Unreported,
            _ => false,
        };
        let state = |output: &Output| matches!(told(output), Some(What::AgentState { .. }));
        let alone = said.iter().any(over) && said.iter().all(|o| over(o) || state(o));
        alone && said.drain(..).next().is_some()
    }),
];

/// What went wrong, if anything did.
fn message(run: std::thread::Result<()>) -> String {
    match run.map_err(|panic| panic.downcast::<String>()) {
        Ok(()) => "nothing".into(),
        Err(Ok(message)) => *message,
        Err(Err(fixed)) => (*fixed.downcast::<&str>().expect("a message")).into(),
    }
}

/// What a run with that fault ended with; none if there was no place for the fault.
fn caught(seed: u64, profile: Profile, plant: Plant) -> Option<String> {
    let mut world = World::new(seed, profile);
    world.plant = Some(plant);
    let run = catch_unwind(AssertUnwindSafe(|| {
        world.begin();
        while world.step() {}
        world.check_empty();
    }));
    (run.is_err() || world.plant.is_none()).then(|| message(run))
}

// G5
#[test]
fn each_invariant_catches_what_breaks_it() {
    for (expected, profile, plant) in PLANTS {
        let found = (0..SEEDS).find_map(|seed| caught(seed, profile, plant));
        let found = found.unwrap_or_else(|| panic!("no place for: {expected}"));
        assert!(found.contains(expected), "{found:?} for {expected:?}");
    }
}

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
