//! A new declaration while everything is live.
//!
//! What was declared anew holds at once: skills and queues of agents, rules for the next
//! contacts, the ring time of the next offer. Contacts that wait keep their type, their place and
//! their longest wait. An agent that is no longer declared keeps its call and gets no other. A
//! contact waiting in a queue that is no longer declared is refused with 480 and a Retry-After,
//! so that it can call again and be typed by the new rules; one whose agent's phone rings is
//! left to it, and refused only if that fails.

use super::learned::Learned;
use super::{Distributor, Queue};
use crate::agent::{Agent, initial_status, is_fixed};
use crate::centre::{Agent as Declared, Centre, Queue as DeclaredQueue, validate};
use crate::contact::State;
use crate::id::{AgentId, ContactId, QueueId};
use crate::output::RefuseReason;
use crate::selection::{Classes, Urgency, serves};
use crate::slot::{PerSlot, Slot, Slots};
use crate::typing::Rules;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

impl Distributor {
    pub(super) fn configure(&mut self, centre: Centre) {
        let centre = centre.with_traits();
        if self.centre.as_ref() == Some(&centre) {
            return;
        }
        if !validate(&centre).is_empty() {
            self.counters.dropped_declaration += 1;
            return;
        }
        let changed = self.replace_agents(&centre);
        self.rules = Rules::new(&centre);
        self.servers.configure(&centre, self.rules.calendars());
        self.looks_back = self.rules.ask_for_earlier();
        self.asked_wishes = 0;
        self.replace_doors(&centre);
        self.replace_queues(&centre);
        self.centre = Some(centre);
        self.rejoin_agents();
        for agent in &changed {
            self.tell_status(agent);
        }
        self.serve_all();
    }

    /// Returns whose status or reachability is new.
    fn replace_agents(&mut self, centre: &Centre) -> Vec<AgentId> {
        let mut changed = Vec::new();
        let declared: BTreeSet<&AgentId> = centre.agents.iter().map(|a| &a.id).collect();
        for agent in self.agents.values_mut() {
            agent.in_declaration = declared.contains(&agent.declared.id);
        }
        let now = self.now;
        for (order, agent) in centre.agents.iter().enumerate() {
            let is_new = match self.agents.get_mut(&agent.id) {
                Some(found) => redeclare(found, agent),
                None => {
                    let new = Agent::new(agent.clone(), true, now.mono, now.unix_ms);
                    self.agents.insert(agent.id.clone(), new);
                    true
                }
            };
            if let Some(found) = self.agents.get_mut(&agent.id) {
                found.order = order;
            }
            if is_new {
                changed.push(agent.id.clone());
            }
        }
        changed
    }

    /// Queues and classes are made anew; contacts are entered again where they were.
    fn replace_queues(&mut self, centre: &Centre) {
        self.classes = wishes(centre);
        let learned: FxHashMap<QueueId, Learned> = self
            .queues
            .drain(..)
            .map(|queue| (queue.declared.id, queue.learned))
            .collect();
        let queues = centre.queues.iter().map(|declared| Queue {
            declared: declared.clone(),
            places: BTreeSet::new(),
            agents: 0,
            staffed: 0,
            connected: 0,
            learned: learned.get(&declared.id).cloned().unwrap_or_default(),
        });
        self.queues = queues.collect();
        self.replace_places(centre);
    }

    fn replace_places(&mut self, centre: &Centre) {
        let index: FxHashMap<_, _> = centre
            .queues
            .iter()
            .enumerate()
            .map(|(index, queue)| (&queue.id, index))
            .collect();
        for contact in self.contacts.values_mut() {
            let came_ms = super::millis(contact.counts_from());
            let Some(ticket) = &mut contact.ticket else {
                continue;
            };
            ticket.queue = index.get(&ticket.typed.queue).copied();
            ticket.class = None;
            let Some(queue) = ticket.queue.and_then(|queue| self.queues.get_mut(queue)) else {
                continue;
            };
            if let State::Connected(_) = contact.state {
                queue.connected += 1;
                continue;
            }
            ticket.carried_as(&queue.declared);
            let priority = ticket.typed.priority;
            ticket.place.late &= queue.declared.late_after().is_some();
            ticket
                .place
                .reorder(priority, Some(&queue.declared), came_ms);
            if contact.state != State::Scheduled {
                queue.places.insert(ticket.place);
            }
            let asked = ticket.relax.iter().skip(ticket.relaxed);
            let (classes, slot) = (&mut self.classes, ticket.slot);
            for step in asked {
                intern(classes, centre, &ticket.typed.queue, (&step.skills, slot));
            }
            let wish = (ticket.skills(), slot);
            ticket.class = intern(classes, centre, &ticket.typed.queue, wish);
            // Whoever it waited for may serve other queues now.
            ticket.sticks_to = None;
        }
    }

    /// Enters all agents in the new queues and classes, without serving anybody yet.
    fn rejoin_agents(&mut self) {
        for agent in self.agents.values_mut() {
            agent.keys = None;
            agent.free = Slots::default();
            agent.wanted.clear();
            agent.staffed = false;
            agent.counted = false;
            agent.queues.clear();
            agent.classes.clear();
            if !agent.in_declaration {
                continue;
            }
            agent.classes = self.classes.join(&agent.declared);
            for (index, queue) in self.queues.iter_mut().enumerate() {
                if serves(&agent.declared, &queue.declared.id) {
                    agent.queues.push(index);
                    queue.agents += 1;
                }
            }
        }
        self.compare_classes();
    }

    pub(super) fn set_class(&mut self, contact: ContactId, class: Option<usize>) {
        let found = self.contacts.get_mut(&contact);
        if let Some(ticket) = found.and_then(|found| found.ticket.as_mut()) {
            ticket.class = class;
        }
    }

    /// Refuses those whose queue is gone, frees agents that are gone, and compares everybody who
    /// waits with everybody who is free, in the order of service.
    fn serve_all(&mut self) {
        let mut waiting: Vec<(Urgency, ContactId)> = Vec::new();
        let mut homeless: Vec<ContactId> = Vec::new();
        for (id, contact) in self.contacts.iter() {
            let Some(ticket) = &contact.ticket else {
                continue;
            };
            match (contact.state, ticket.queue) {
                (State::Waiting | State::Offered, Some(queue)) => {
                    waiting.push((self.urgency(queue, &ticket.place), *id));
                }
                (State::Waiting, None) => homeless.push(*id),
                // What was promised is looked at again when its time comes.
                (State::Scheduled, _) | (State::Offered, None) | (State::Connected(_), _) => {}
            }
        }
        homeless.sort_unstable();
        for contact in homeless {
            self.refuse_waiting(contact, RefuseReason::QueueRemoved);
        }
        let mut agents: Vec<AgentId> = self.agents.keys().cloned().collect();
        agents.sort_unstable();
        for agent in &agents {
            self.index(agent);
        }
        waiting.sort_unstable();
        waiting.reverse();
        for (_, contact) in &waiting {
            self.note_wants(*contact);
            self.set_late_timer(*contact);
        }
        self.serve_contacts(&waiting);
        for agent in &agents {
            self.refresh(agent);
        }
        self.knock_again();
    }
}

/// The status follows the declaration only where the declaration changed. Says whether it did.
fn redeclare(agent: &mut Agent, declared: &Declared) -> bool {
    let before = (agent.status.clone(), agent.reachable);
    if agent.declared.paused != declared.paused {
        agent.status = initial_status(declared.paused);
    }
    if is_fixed(&agent.declared) != is_fixed(declared) {
        agent.reachable = is_fixed(declared);
    }
    agent.declared = declared.clone();
    agent.capacities = PerSlot::of(|slot| declared.capacity_for(slot));
    before != (agent.status.clone(), agent.reachable)
}

/// What rules can ask of an agent, at first and later, and servers that fail.
fn wishes(centre: &Centre) -> Classes {
    let mut classes = Classes::default();
    for queue in centre.asks.iter().filter_map(|ask| ask.on_failure.as_ref()) {
        intern(&mut classes, centre, queue, (&BTreeMap::new(), Slot::Call));
    }
    for rule in &centre.rules {
        let Some(queue) = &rule.then.queue else {
            continue;
        };
        intern(&mut classes, centre, queue, (&rule.then.skills, Slot::Call));
        for step in &rule.then.relax {
            intern(&mut classes, centre, queue, (&step.skills, Slot::Call));
        }
    }
    classes
}

/// Makes the class of a wish in a queue and in those that its contacts may move to; the first.
pub(super) fn intern(
    classes: &mut Classes,
    centre: &Centre,
    queue: &QueueId,
    (skills, slot): (&BTreeMap<String, u8>, Slot),
) -> Option<usize> {
    let find = |queue: &QueueId| {
        let mut queues = centre.queues.iter().enumerate();
        queues.find(|(_, declared)| declared.id == *queue)
    };
    let mut reached: Vec<(usize, &DeclaredQueue)> = Vec::from_iter(find(queue));
    let mut class = None;
    let mut next = 0;
    while let Some((at, declared)) = reached.get(next).copied() {
        let made = classes.intern((at, declared), skills, slot);
        class = class.or(Some(made));
        let onward = declared.overflow.iter().filter_map(|o| o.queue.as_ref());
        for further in onward.filter_map(find) {
            if !reached.iter().any(|(at, _)| *at == further.0) {
                reached.push(further);
            }
        }
        next += 1;
    }
    class
}
