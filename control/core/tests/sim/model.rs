//! What the oracle knows of a centre: what it was declared to be, what was told to the distributor,
//! and what the distributor said. Nothing is taken from the distributor's own state.

use super::call_backs::CallBack;
use patchbay_core::centre::{Agent as Declared, Centre, HandOver, Late, Queue as DeclaredQueue};
use patchbay_core::{Activity, AgentId, ContactId, OfferId, QueueId, Slot, Status};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};

/// A contact's order in its queue.
pub type Place = (i64, (u64, u64), ContactId);

/// A contact without a final answer.
#[derive(Debug)]
pub struct Contact {
    /// Counts arrivals.
    pub order: u64,
    /// Where it waits; none until it was typed.
    pub queue: Option<QueueId>,
    pub place: Place,
    pub priority: i32,
    pub skills: BTreeMap<String, u8>,
    /// When it came.
    pub came: u64,
    /// It waits behind those who can still be answered in time.
    pub late: bool,
    /// When it has waited as long as its queue allowed when it came there.
    pub deadline: u64,
    /// Offers that it may be answered by.
    pub offers: Vec<OfferId>,
    /// Agents that it passes over because an offer to them failed.
    pub skips: FxHashMap<AgentId, Skip>,
    /// The agent who served its caller last, and until when it waits for that one alone.
    pub hears: bool,
    /// It was answered for that.
    pub in_call: bool,
    pub waits_for: Option<(AgentId, u64)>,
    /// Its caller, if its queue remembers who served it.
    pub caller: Option<String>,
    /// It waits for what others know of it, until then at the latest.
    pub asks_until: Option<u64>,
    /// No server is asked about it any more.
    pub in_menu: bool,
    /// The one agent that it is for.
    pub only: Option<AgentId>,
    /// In which medium it is served.
    pub slot: Slot,
    /// Since when nobody has asked about it, for one that is asked about.
    pub silent_since: Option<u64>,
    /// When it came, or was asked about last.
    pub asked_at: u64,
    /// Its caller, as it was typed.
    pub from: String,
    /// Its customer was promised a call.
    pub call_back: Option<CallBack>,
}

/// For how long a contact passes over an agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skip {
    pub at_least_until: u64,
    pub at_most_until: u64,
}

/// An agent that is declared, or that a session keeps.
#[derive(Debug)]
pub struct Agent {
    pub declared: bool,
    /// What was declared of it last.
    pub takes: Declared,
    pub skills: BTreeMap<String, u8>,
    /// Declared queues that it serves.
    pub queues: Vec<QueueId>,
    pub status: Status,
    pub reachable: bool,
    pub activity: Activity,
    /// Its offers and sessions.
    pub legs: Vec<OfferId>,
    /// Until when it may be left alone after an offer that failed, or after a contact.
    pub rests_until: u64,
    /// Since when the relay has had no session of the offer that it is busy with.
    pub without_leg: Option<(OfferId, u64)>,
    /// Contacts that wait for it alone.
    pub wanted_by: BTreeSet<ContactId>,
    /// Whether its queues list it as free for anything.
    pub listed: bool,
}

/// What became of an offer so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has not ended, whether taken back or not.
    Open,
    /// A call.
    Live,
    /// A session that no contact wants.
    Unwanted,
}

#[derive(Debug)]
pub struct Leg {
    pub contact: ContactId,
    pub agent: AgentId,
    pub kind: Kind,
    pub slot: Slot,
    pub since: u64,
    /// When it ends unless somebody says so before, for a call that is carried outside.
    pub ends: Option<u64>,
}

#[derive(Debug)]
pub struct Queue {
    pub declared: DeclaredQueue,
    pub places: BTreeSet<Place>,
    /// Agents that serve it and are free.
    pub free: BTreeSet<AgentId>,
}

#[derive(Default)]
pub struct Model {
    pub centre: Centre,
    pub queues: FxHashMap<QueueId, Queue>,
    pub agents: FxHashMap<AgentId, Agent>,
    pub contacts: FxHashMap<ContactId, Contact>,
    pub legs: FxHashMap<OfferId, Leg>,
    pub ended: FxHashSet<OfferId>,
    /// Offers that no relay carries.
    pub outside: FxHashSet<OfferId>,
    /// The media of all offers.
    pub slots: FxHashMap<OfferId, Slot>,
    /// 200, 487 for a caller that gave up, the status of the refusal, or 503 for one whose control
    /// process died.
    pub answers: FxHashMap<ContactId, u16>,
    /// Who served each caller last.
    pub last: FxHashMap<String, AgentId>,
    /// Offers taken back, with the time until which their contact then passes over their agent, and
    /// whether all agents rang.
    pub taken_back: FxHashMap<OfferId, (u64, bool)>,
    pub arrivals: u64,
    /// Until then nobody is offered anything, because it is not known who is in a call.
    pub unknown_until: Option<u64>,
    /// Promises of the process before that have not gone on yet.
    pub promised: BTreeSet<ContactId>,
}

impl Agent {
    fn new(declared: bool) -> Self {
        Self {
            declared,
            takes: Declared::new(""),
            skills: BTreeMap::new(),
            queues: Vec::new(),
            status: Status::Ready,
            reachable: false,
            activity: Activity::Idle,
            legs: Vec::new(),
            rests_until: 0,
            without_leg: None,
            wanted_by: BTreeSet::new(),
            listed: false,
        }
    }

    /// At work and ready for it, busy or not.
    pub fn ready(&self) -> bool {
        self.declared && self.reachable && self.status == Status::Ready
    }

    /// Whether it has room for one more in a medium, with those that it holds.
    pub fn room(&self, slot: Slot, held: &[Slot]) -> bool {
        let count = held.iter().filter(|one| **one == slot).count();
        let kept_away = held.iter().any(|one| self.takes.keeps_away(*one, slot));
        count < self.takes.capacity_for(slot) && !kept_away
    }

    /// Certainly free for the next contact in a medium. That one who is busy with another one rests does
    /// not show.
    pub fn free(&self, slot: Slot, held: &[Slot], now: u64) -> bool {
        let rested = match self.activity {
            Activity::Idle => true,
            Activity::WrapUp { .. } | Activity::Resting { .. } => false,
            Activity::InCall { .. } | Activity::Reserved { .. } => now >= self.rests_until,
        };
        self.ready() && rested && self.room(slot, held)
    }

    /// Whether it can serve a contact at all.
    pub fn qualifies(&self, contact: &Contact) -> bool {
        if self.takes.capacity_for(contact.slot) == 0 {
            return false;
        }
        let skilled = |(skill, level)| self.skills.get(skill).is_some_and(|has| has >= level);
        let queue = contact.queue.as_ref();
        queue.is_some_and(|queue| self.queues.contains(queue)) && contact.skills.iter().all(skilled)
    }
}

impl Contact {
    pub fn waiting(&self) -> bool {
        self.offers.is_empty()
    }

    /// Whether it is to be called later.
    pub fn scheduled(&self) -> bool {
        let call_back = self.call_back.as_ref();
        call_back.is_some_and(|it| it.scheduled.is_some())
    }

    /// Whether it would take nobody but another agent.
    pub fn waits_for_another(&self, agent: &AgentId) -> bool {
        let sticks = self.waits_for.as_ref().map(|(one, _)| one);
        sticks
            .or(self.only.as_ref())
            .is_some_and(|one| one != agent)
    }
}

impl Model {
    /// Whether the agent has an offer of the contact that has not ended.
    pub fn rings(&self, agent: &Agent, contact: ContactId) -> bool {
        let legs = agent.legs.iter().filter_map(|offer| self.legs.get(offer));
        let mut open = legs.filter(|leg| leg.kind == Kind::Open);
        open.any(|leg| leg.contact == contact)
    }

    /// How many agents a contact may ring at the same time.
    pub fn at_once(&self, contact: &Contact) -> usize {
        let queue = contact.queue.as_ref().and_then(|id| self.queues.get(id));
        match self.is_outside(contact) || contact.waits_for.is_some() || contact.only.is_some() {
            true => 1,
            false => queue.map_or(0, |queue| queue.declared.at_once()),
        }
    }

    /// Whether no relay will carry a contact.
    pub fn is_outside(&self, contact: &Contact) -> bool {
        let queue = contact.queue.as_ref().and_then(|id| self.queues.get(id));
        let redirect = queue.is_some_and(|it| it.declared.hand_over == HandOver::Redirect);
        let redirect = redirect && !contact.in_call;
        contact.call_back.is_some() || redirect || contact.silent_since.is_some()
    }

    /// Whether a contact would take one more agent.
    pub fn wants_more(&self, contact: &Contact, now: u64) -> bool {
        if contact.scheduled() {
            return false;
        }
        let room = contact.offers.len() < self.at_once(contact);
        contact.waiting() || room && now < contact.deadline
    }

    pub fn place(&self, id: ContactId, contact: &Contact) -> Place {
        let queue = contact.queue.as_ref().and_then(|id| self.queues.get(id));
        let gain = queue.map_or(0, |queue| queue.declared.priority_per_minute);
        let gained = contact.came * u64::from(gain) / 60;
        let behind = i64::from(contact.late) << 60;
        let order = behind + gained as i64 - 1_000 * i64::from(contact.priority);
        (order, (contact.came, contact.order), id)
    }

    /// Puts a contact into a queue, to wait there as long as it allows.
    pub fn enter(&mut self, id: ContactId, to: &QueueId, now: u64) {
        self.leave(id);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        contact.queue = Some(to.clone());
        contact.late = false;
        let queue = self.queues.get(to).expect("a declared queue");
        contact.deadline = now + u64::from(queue.declared.max_wait_seconds) * 1_000;
        self.enter_again(id);
    }

    pub fn enter_again(&mut self, id: ContactId) {
        let contact = &self.contacts[&id];
        let stays = self.late_at(contact).is_some();
        let late = contact.late && stays;
        self.contacts.get_mut(&id).expect("there").late = late;
        let place = self.place(id, &self.contacts[&id]);
        let contact = self.contacts.get_mut(&id).expect("there");
        contact.place = place;
        let queue = contact.queue.as_ref();
        if let Some(queue) = queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.places.insert(place);
        }
    }

    /// From when on a contact waits behind others, if it ever does.
    pub fn late_at(&self, contact: &Contact) -> Option<u64> {
        let queue = self.queues.get(contact.queue.as_ref()?)?;
        let level = queue.declared.service_level?;
        let behind = level.late == Late::Behind && contact.call_back.is_none();
        behind.then(|| contact.came + u64::from(level.seconds) * 1_000)
    }

    pub fn leave(&mut self, id: ContactId) {
        let contact = &self.contacts[&id];
        let queue = contact.queue.as_ref();
        if let Some(queue) = queue.and_then(|queue| self.queues.get_mut(queue)) {
            queue.places.remove(&contact.place);
        }
    }

    pub fn remove(&mut self, id: ContactId) -> Option<Contact> {
        if self.contacts.contains_key(&id) {
            self.unstick(id);
            self.leave(id);
        }
        self.contacts.remove(&id)
    }

    pub fn stick(&mut self, id: ContactId, to: AgentId, until: u64) {
        if let Some(agent) = self.agents.get_mut(&to) {
            agent.wanted_by.insert(id);
        }
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.waits_for = Some((to, until));
        }
    }

    pub fn unstick(&mut self, id: ContactId) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        if let Some((agent, _)) = contact.waits_for.take()
            && let Some(agent) = self.agents.get_mut(&agent)
        {
            agent.wanted_by.remove(&id);
        }
    }

    /// Takes an offer from those that its contact may be answered by.
    pub fn strike(&mut self, id: ContactId, offer: OfferId) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.offers.retain(|other| *other != offer);
        }
    }

    /// Somebody has asked about a contact, or it was offered until now.
    pub fn heard_of(&mut self, id: ContactId, now: u64) {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.silent_since = contact.silent_since.map(|_| now);
        }
    }

    pub fn add_leg(&mut self, offer: OfferId, leg: Leg) {
        let agent = self.agents.entry(leg.agent.clone());
        agent.or_insert_with(|| Agent::new(false)).legs.push(offer);
        self.legs.insert(offer, leg);
    }

    pub fn remove_leg(&mut self, offer: OfferId) -> Option<Leg> {
        let leg = self.legs.remove(&offer)?;
        if let Some(agent) = self.agents.get_mut(&leg.agent) {
            agent.legs.retain(|held| *held != offer);
        }
        Some(leg)
    }

    /// The media of what an agent holds.
    pub fn held(&self, agent: &Agent) -> Vec<Slot> {
        let legs = agent.legs.iter().filter_map(|offer| self.legs.get(offer));
        legs.map(|leg| leg.slot).collect()
    }

    /// Brings the lists of free agents up to date.
    pub fn list(&mut self, id: &AgentId, now: u64) {
        let Some(agent) = self.agents.get(id) else {
            return;
        };
        let held = self.held(agent);
        let free = Slot::ALL
            .into_iter()
            .any(|slot| agent.free(slot, &held, now));
        let Some(agent) = self.agents.get_mut(id) else {
            return;
        };
        if free == agent.listed {
            return;
        }
        agent.listed = free;
        for queue in &agent.queues {
            if let Some(queue) = self.queues.get_mut(queue) {
                match free {
                    true => queue.free.insert(id.clone()),
                    false => queue.free.remove(id),
                };
            }
        }
    }

    /// A declaration replaces the one before; contacts keep their places as far as their queues
    /// are still there. False if it is the same.
    pub fn declare(&mut self, centre: &Centre) -> bool {
        if self.centre == *centre {
            return false;
        }
        self.centre = centre.clone();
        let queues = centre.queues.iter().map(|declared| {
            let queue = Queue {
                declared: declared.clone(),
                places: BTreeSet::new(),
                free: BTreeSet::new(),
            };
            (declared.id.clone(), queue)
        });
        self.queues = queues.collect();
        self.declare_agents();
        for id in Vec::from_iter(self.contacts.keys().copied()) {
            let queue = self.contacts[&id].queue.as_ref();
            if queue.is_some_and(|queue| self.queues.contains_key(queue)) {
                self.unstick(id);
                let scheduled = self.contacts[&id].scheduled();
                if !scheduled {
                    self.enter_again(id);
                }
            }
        }
        true
    }

    fn declare_agents(&mut self) {
        for agent in self.agents.values_mut() {
            agent.declared = false;
            agent.queues.clear();
            agent.listed = false;
        }
        for declared in &self.centre.agents {
            let agent = self.agents.entry(declared.id.clone());
            let agent = agent.or_insert_with(|| {
                let mut new = Agent::new(true);
                new.reachable = declared.uri.is_some();
                new
            });
            agent.declared = true;
            agent.takes = declared.clone();
            agent.skills = declared.skills.clone();
            let all = self.centre.queues.iter().map(|queue| &queue.id);
            let serves = |id: &&QueueId| declared.queues.as_ref().is_none_or(|q| q.contains(id));
            agent.queues = all.filter(serves).cloned().collect();
        }
    }

    /// The process that knew them is gone, and with it the INVITEs that it had not answered.
    pub fn forget(&mut self, kept: &[ContactId]) {
        let lost = core::mem::take(&mut self.contacts);
        let promised = lost.iter().filter(|(_, it)| it.call_back.is_some());
        let promised: BTreeSet<ContactId> = promised.map(|(id, _)| *id).collect();
        let goes_on = |id: &ContactId| promised.contains(id) || kept.contains(id);
        let lost = lost.into_keys().filter(|id| !goes_on(id));
        let lost = lost.map(|contact| (contact, 503));
        let mut answers = core::mem::take(&mut self.answers);
        answers.extend(lost);
        *self = Self {
            answers,
            arrivals: self.arrivals,
            promised,
            ended: core::mem::take(&mut self.ended),
            outside: core::mem::take(&mut self.outside),
            slots: core::mem::take(&mut self.slots),
            ..Self::default()
        };
    }
}
