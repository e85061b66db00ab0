//! What must be true of a centre, one function for each. The oracle asks those of an output when it
//! comes, and those of a state after each step: of what the step touched, and now and then of
//! everything.

use super::call_backs;
use super::model::{Agent, Contact, Kind, Model};
use patchbay_core::limits::ASKER_SILENCE;
use patchbay_core::{Activity, AgentId, ContactId, OfferId, QueueId};
use patchbay_route::waiting::{Part, Say};

/// Longest time that an agent may seem to be in a call that the relay does not have: one interval
/// of the list, one more for a list that was under way, and delays.
pub const PHANTOM_CALL_MS: u64 = 75_000;
/// Longest time that an agent may be reserved for an offer that the relay does not have: ring
/// timer, guard timer, and lateness.
pub const PHANTOM_OFFER_MS: u64 = 65_000;
/// How late a timer may be.
pub const LATE_MS: u64 = 10;

/// One final answer to every INVITE.
pub fn answered_once(model: &Model, contact: ContactId, status: u16) {
    let earlier = model.answers.get(&contact);
    assert_eq!(earlier, None, "{contact} gets {status} as a second answer");
    let there = model.contacts.contains_key(&contact);
    assert!(there, "{contact} is answered and never arrived");
}

/// An offer goes to somebody who is free, serves the contact, and did not fail it just now.
pub fn offered_well(model: &Model, id: ContactId, offer: OfferId, to: &AgentId, now: u64) {
    let new = !model.ended.contains(&offer) && !model.legs.contains_key(&offer);
    assert!(new, "an offer's name is used again");
    let contact = model.contacts.get(&id);
    let contact = contact.unwrap_or_else(|| panic!("{id}, which is not there, is offered"));
    let skip = contact.skips.get(to);
    let too_soon = skip.is_some_and(|skip| now < skip.at_least_until);
    assert!(!too_soon, "{id} is offered to {to} too soon");
    let agent = model.agents.get(to);
    let agent = agent.unwrap_or_else(|| panic!("{to}, whom nobody knows, gets an offer"));
    let room = agent.room(contact.slot, &model.held(agent));
    assert!(room, "{to} gets more than it takes at a time");
    let left_alone = matches!(
        agent.activity,
        Activity::WrapUp { .. } | Activity::Resting { .. }
    );
    let idle = !left_alone;
    assert!(agent.ready() && idle, "{to} is not free and gets an offer");
    let fits = contact.only.is_some() || agent.qualifies(contact);
    assert!(fits, "{to} gets {id}, which it cannot serve");
    let other = contact.waits_for.as_ref().filter(|(_, until)| now < *until);
    let other = other.map(|(one, _)| one).or(contact.only.as_ref());
    assert!(other.is_none_or(|one| one == to), "{id} is for {other:?}");
}

/// Nobody of a queue for whom no phone rings is overtaken by one behind, nor by one for whom phones
/// ring already, where the same agent could have served both.
pub fn not_overtaken(model: &Model, id: ContactId, to: &AgentId, now: u64) {
    let (contact, agent) = (&model.contacts[&id], &model.agents[to]);
    let queue = contact.queue.as_ref().and_then(|id| model.queues.get(id));
    let places = queue.into_iter().flat_map(|queue| &queue.places);
    if contact.only.is_some() {
        return;
    }
    let held = model.held(agent);
    let first = contact.waiting();
    for (_, _, before) in places.take_while(|place| !first || **place < contact.place) {
        let other = &model.contacts[before];
        let skip = other.skips.get(to);
        let skips = skip.is_some_and(|skip| now < skip.at_most_until + LATE_MS);
        let could = other.waiting() && !other.waits_for_another(to) && agent.qualifies(other);
        // The offer to this agent is not among what it holds yet.
        let could = could && agent.room(other.slot, &held);
        let could = could && !skips && !model.rings(agent, *before) && now < other.deadline;
        assert!(!could, "{id} overtakes {before} to {to}");
    }
}

/// Whoever has missed the service level goes behind where that is declared, then and once.
pub fn late_rightly(model: &Model, id: ContactId, now: u64) {
    let contact = model.contacts.get(&id);
    let contact = contact.unwrap_or_else(|| panic!("{id}, which is not there, is late"));
    let due = model.late_at(contact);
    let due = due.unwrap_or_else(|| panic!("{id} cannot be late"));
    assert!(now >= due, "{id} is late too soon");
    assert!(!contact.late, "{id} is late a second time");
}

/// Nobody who has missed it keeps the place.
pub fn not_before_others(model: &Model, id: ContactId, contact: &Contact, now: u64) {
    let due = model
        .late_at(contact)
        .filter(|_| contact.asks_until.is_none());
    let late = due.is_none_or(|due| now <= due + LATE_MS || contact.late);
    assert!(late, "{id} is late and keeps its place");
}

/// The caller is told its place in the queue, by priority and arrival.
pub fn told_its_place(model: &Model, id: ContactId, queue: &QueueId, position: usize) {
    let contact = model.contacts.get(&id);
    let contact = contact.unwrap_or_else(|| panic!("{id}, which is not there, is queued"));
    assert_eq!(contact.queue.as_ref(), Some(queue), "the queue of {id}");
    let places = &model.queues[queue].places;
    let right = places.range(..=contact.place).count();
    assert_eq!(position, right, "{id} is told another place in {queue}");
}

/// A caller is let hear something once, while it waits.
pub fn hears_once(model: &Model, id: ContactId) {
    let contact = model.contacts.get(&id);
    let contact = contact.unwrap_or_else(|| panic!("{id}, which is not there, is to hear"));
    assert!(!contact.hears, "{id} is to hear a second time");
    assert!(contact.waiting(), "{id} does not wait and is to hear");
}

/// Only who hears something and is there is told anything, and its place is right.
pub fn said_right(model: &Model, id: ContactId, say: &Say) {
    let contact = model.contacts.get(&id);
    let contact = contact.unwrap_or_else(|| panic!("{id}, which is not there, is told"));
    assert!(contact.hears, "{id}, who hears nothing, is told");
    for part in &say.parts {
        if let (Part::Position(said), Some(queue)) = (part, &contact.queue) {
            told_its_place(model, id, queue, *said as usize);
        }
    }
}

/// Every offer ends once, as it began.
pub fn ends_once(model: &Model, offer: OfferId, contact: ContactId, agent: &AgentId) {
    let leg = model.legs.get(&offer).filter(|leg| leg.kind == Kind::Open);
    let began = leg.is_some_and(|leg| leg.contact == contact && leg.agent == *agent);
    assert!(began, "offer {offer} ends twice, or never began");
}

/// What an agent does is told when it changes, and only then.
pub fn told_once(id: &AgentId, agent: &Agent, activity: &Activity) {
    assert_ne!(&agent.activity, activity, "{id} is told twice");
}

/// What was told of an agent agrees with its offers and sessions.
pub fn does_what_it_holds(model: &Model, id: &AgentId, agent: &Agent) {
    let held = |offer: &OfferId, open: bool| {
        let leg = model.legs.get(offer).filter(|leg| leg.agent == *id);
        leg.is_some_and(|leg| (leg.kind == Kind::Open) == open)
    };
    let right = match &agent.activity {
        Activity::InCall { offer, .. } => held(offer, false),
        Activity::Reserved { offer, .. } => held(offer, true),
        Activity::Idle | Activity::WrapUp { .. } | Activity::Resting { .. } => {
            agent.legs.is_empty()
        }
    };
    assert!(
        right,
        "{id} is said to be {:?} and holds {:?}",
        agent.activity, agent.legs
    );
}

/// Nobody is busy without a session on the relay for longer than the guards allow.
pub fn not_stuck(id: &AgentId, agent: &Agent, now: u64) {
    let Some((offer, since)) = agent.without_leg else {
        return;
    };
    let limit = phantom_limit(agent);
    assert!(
        now - since <= limit,
        "{id} is stuck with {offer}: {:?} since {} ms",
        agent.activity,
        now - since
    );
}

/// What is carried outside is over in time, reported or not.
pub fn ends_outside(model: &Model, id: &AgentId, agent: &Agent, now: u64) {
    let legs = agent.legs.iter().filter_map(|offer| model.legs.get(offer));
    for leg in legs {
        let in_time = leg.ends.is_none_or(|ends| now <= ends + LATE_MS);
        assert!(in_time, "{id} is outside for ever with {}", leg.contact);
    }
}

/// Nothing that is carried outside is a session that could be ended on a relay.
pub fn wanted_outside(model: &Model, offer: OfferId, kind: Kind) {
    let outside = model.outside.contains(&offer);
    assert!(!outside || kind == Kind::Live, "{offer} is on no relay");
}

/// Whether nobody has asked for so long about a contact that it may be given up.
pub fn nobody_asks(model: &Model, id: ContactId, now: u64) -> bool {
    let silent = ASKER_SILENCE.as_millis() as u64;
    let contact = model.contacts.get(&id);
    let contact = contact.filter(|it| it.silent_since.is_some());
    contact.is_some_and(|it| it.asked_at + silent <= now)
}

/// Whether a contact may be given up that nobody cancelled.
pub fn may_be_given_up(model: &Model, id: ContactId, now: u64) -> bool {
    let call_back = model.contacts.get(&id).and_then(|it| it.call_back.as_ref());
    call_back.is_some_and(|it| it.withdrawn) || nobody_asks(model, id, now)
}

/// A contact of somebody outside does not wait for long when nobody asks about it.
pub fn waits_not_unasked(id: ContactId, contact: &Contact, now: u64) {
    let silent = ASKER_SILENCE.as_millis() as u64;
    let asked = contact
        .silent_since
        .is_none_or(|since| now <= since + silent + LATE_MS);
    assert!(asked || !contact.waiting(), "{id} waits and nobody asks");
}

pub fn phantom_limit(agent: &Agent) -> u64 {
    match agent.activity {
        Activity::InCall { .. } => PHANTOM_CALL_MS,
        _ => PHANTOM_OFFER_MS,
    }
}

/// Never an idle agent together with a contact that waits for it.
pub fn not_idle_while_wanted(
    model: &Model,
    (agent_id, agent): (&AgentId, &Agent),
    (id, contact): (ContactId, &Contact),
    now: u64,
) {
    if !model.wants_more(contact, now) || contact.waits_for_another(agent_id) {
        return;
    }
    if model.unknown_until.is_some() {
        return;
    }
    if !agent.free(contact.slot, &model.held(agent), now) {
        return;
    }
    let skip = contact.skips.get(agent_id);
    let skips = skip.is_some_and(|skip| now < skip.at_most_until);
    assert!(
        skips || !agent.qualifies(contact) || model.rings(agent, id),
        "{agent_id} is idle while {id} waits"
    );
}

/// A contact that waits longer than its queue allowed is answered, but for the lateness of a
/// timer. One that is on offer may wait for the phone. One that is for one agent does not wait.
pub fn waits_not_for_ever(model: &Model, id: ContactId, contact: &Contact, now: u64) {
    if contact.asks_until.is_some() {
        return;
    }
    if let Some(call_back) = &contact.call_back {
        call_backs::waits_in_time(id, call_back, now);
    }
    if contact.scheduled() {
        return;
    }
    let in_time = now <= contact.deadline + LATE_MS;
    assert!(in_time || !contact.waiting(), "{id} waits for ever");
    let begins = model.unknown_until.is_some();
    let may_wait = contact.only.is_none() || !contact.waiting() || begins;
    assert!(may_wait, "{id}, which is for one agent, waits");
}

/// Everybody without a final answer waits for that of a server, or was typed and is in a queue, or rings.
pub fn has_a_place(model: &Model, id: ContactId, contact: &Contact, now: u64) {
    if let Some(until) = contact.asks_until {
        assert!(now <= until + LATE_MS, "{id} waits for an answer for ever");
        return;
    }
    let queue = contact.queue.as_ref();
    let queue = queue.unwrap_or_else(|| panic!("{id} was never typed"));
    let there = model.queues.contains_key(queue) || contact.scheduled();
    assert!(
        there || !contact.waiting(),
        "{id} waits in {queue}, which is gone"
    );
}

/// What an event says of an offer is what was done.
pub fn offered_as_told(model: &Model, id: ContactId, offer: OfferId, to: &AgentId) {
    let leg = model.legs.get(&offer).filter(|leg| leg.kind == Kind::Open);
    let made = leg.is_some_and(|leg| leg.contact == id && leg.agent == *to);
    assert!(made, "{offer} is told and was not made");
}

/// What an event says of a contact's end is what its caller was told.
pub fn answered_as_told(model: &Model, id: ContactId, status: u16) {
    let answered = model.answers.get(&id);
    assert_eq!(answered, Some(&status), "the answer to {id} as told");
}
