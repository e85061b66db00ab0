//! The oracle can fail: a wrong output or event is planted into what it hears, one for each
//! invariant, and caught by that invariant.

use super::call_backs;
use super::model::{Agent, Contact};
use super::oracle::Oracle;
use super::{Plant, Profile, World, places, sites};
use patchbay_core::{
    Activity, AgentId, ContactId, EndCause, Event, OfferEnd, OfferId, Output, RefuseReason, What,
};
use patchbay_route::waiting::Say;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub const PROFILE: Profile = Profile {
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
pub const CALM: Profile = Profile {
    loss: 0,
    disturbed_every_ms: 0,
    ..PROFILE
};
/// Few come at a time.
const LONELY: Profile = Profile {
    calls: 120,
    between_ms: 60_000,
    ..CALM
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

pub fn told(output: &Output) -> Option<&What> {
    match output {
        Output::Event(event) => Some(&event.what),
        _ => None,
    }
}

/// Says the first output of that kind twice.
pub fn double(said: &mut Vec<Output>, is: impl Fn(&Output) -> bool) -> bool {
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
    let found = oracle.model.contacts.get(contact);
    let only = found.map(|found| &found.only);
    let takes = |agent: &Agent| found.is_some_and(|it| agent.room(it.slot, &[]));
    let free = |id: &AgentId, agent: &Agent| {
        agent.listed && agent.legs.is_empty() && takes(agent) && id != to
    };
    let other = agent(oracle, free).filter(|_| only.is_some_and(|only| only.is_some()));
    other.map(|agent| *to = agent).is_some()
}

fn nothing_else(oracle: &Oracle, said: &mut Vec<Output>) -> bool {
    let waits = |output: &Output| {
        let told = matches!(
            told(output),
            Some(What::ContactTyped { .. } | What::ContactQueued { .. })
        );
        told || matches!(
            output,
            Output::Queued { .. } | Output::Hear { .. } | Output::KeepPlace(_)
        )
    };
    // One that was in a menu is missed there.
    let asked = |contact| {
        let found = oracle.model.contacts.get(contact);
        found.is_some_and(|found| found.asks_until.is_some())
    };
    let typed = |output| match told(output) {
        Some(What::ContactTyped { contact, .. }) => !asked(contact),
        _ => false,
    };
    let there = said.len() >= 3 && said.iter().all(waits) && said.iter().any(typed);
    if there {
        said.clear();
    }
    there
}

/// What a server says of a contact that then waits is not heard.
fn no_answer(_: &Oracle, said: &mut Vec<Output>) -> bool {
    let asked = |output: &Output| matches!(told(output), Some(What::ContactAsked { .. }));
    let harmless = |output: &Output| {
        let told = matches!(
            told(output),
            Some(What::ContactTyped { .. } | What::ContactQueued { .. })
        );
        told || asked(output)
            || matches!(
                output,
                Output::Queued { .. } | Output::Hear { .. } | Output::KeepPlace(_)
            )
    };
    let there = said.iter().any(asked) && said.iter().all(harmless);
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
    // An agent of another centre is known from its offer on.
    let Some(to) = oracle.model.agents.get(agent) else {
        return false;
    };
    let mut behind = queue.places.range(found.place..).skip(1);
    let other = behind.find(|(_, _, id)| {
        let other = &oracle.model.contacts[id];
        let may = other.waits_for.is_none() && other.only.is_none() && to.qualifies(other);
        may && other.waiting() && other.skips.is_empty() && other.slot == found.slot
    });
    let is_plain = found.waiting() && found.skips.is_empty() && found.only.is_none();
    let held = oracle.model.held(to);
    let free = to.free(found.slot, &held, u64::MAX);
    match other.filter(|_| is_plain && free) {
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
const PLANTS: [(&str, Profile, Plant); 28] = [
    ("is late and keeps its place", CALM, |oracle, said| {
        let contacts = &oracle.model.contacts;
        // With others there, the places that they are told give it away before.
        let alone = |output: &Output| match told(output) {
            Some(What::ContactLate { contact, queue, .. }) => {
                let mut others = contacts.iter().filter(|(id, _)| *id != contact);
                others.all(|(_, other)| other.queue.as_ref() != Some(queue))
            }
            _ => false,
        };
        let before = said.len();
        said.retain(|output| !alone(output));
        said.len() < before
    }),
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
        let full = |c: &Contact, _: &AgentId, a: &Agent| {
            let held = oracle.model.held(a);
            let offered = held.iter().filter(|one| **one == c.slot).count();
            a.ready() && offered >= a.takes.capacity_for(c.slot) && offered > 0
        };
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
    // With others there, the places that they are told give it away before.
    ("waits for ever", CALM, |oracle, said| {
        let alone = oracle.model.contacts.len() == 1;
        alone && swallow_refusal(said, RefuseReason::WaitedTooLong)
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
        // A promise that is over shows before.
        let promised = |output: &Output| matches!(output, Output::ForgetCallBack { .. });
        !said.iter().any(promised) && swallow_refusal(said, RefuseReason::QueueRemoved)
    }),
    ("waits for an answer for ever", PROFILE, no_answer),
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
    ("waits and nobody asks", LONELY, |oracle, said| {
        let contacts = &oracle.model.contacts;
        let given_up = |output: &Output| match told(output) {
            Some(What::ContactAbandoned { contact, .. }) => {
                // One that was given up by its caller was answered before.
                let Some(found) = contacts.get(contact) else {
                    return false;
                };
                // Its longest wait would give it away, too.
                let waits_on = |at: u64| found.deadline > at + 121_000;
                // With others there, the places that they are told give it away before.
                let there = contacts.values().filter(|it| it.queue == found.queue);
                found.silent_since.is_some_and(waits_on) && there.count() == 1
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

/// Said of a run in which nothing went wrong.
const NOTHING: &str = "nothing";
/// How many runs with a fault may show nothing before one does.
const UNNOTICED: usize = 3;

/// What went wrong, if anything did.
pub fn message(run: std::thread::Result<()>) -> String {
    match run.map_err(|panic| panic.downcast::<String>()) {
        Ok(()) => NOTHING.into(),
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
    let plants = PLANTS.into_iter().chain(call_backs::PLANTS);
    let plants = plants.chain(sites::PLANTS).chain(places::PLANTS);
    for (expected, profile, plant) in plants {
        let mut all = (0..SEEDS).filter_map(|seed| caught(seed, profile, plant));
        // A caller may hang up in the moment before the fault shows, but not every time.
        let found = all.by_ref().take(UNNOTICED).find(|found| found != NOTHING);
        let found = found.unwrap_or_else(|| panic!("no place for, or unnoticed: {expected}"));
        assert!(found.contains(expected), "{found:?} for {expected:?}");
    }
}
