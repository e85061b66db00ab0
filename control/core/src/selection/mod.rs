//! Who serves whom (requirement A4): the free agents and the waiting contacts of each class.
//!
//! A *class* is a queue, the skills asked for and the medium: what a contact can ask of an agent. Those
//! of calls are made of the rules, those of other media when the first contact comes that needs them;
//! each agent belongs to those that it can serve, and is free in some media and not in others. A decision then
//! looks at free agents of one class, or at the waiting contacts of one agent's classes, and
//! never at everybody.

mod last;
mod load;
mod rank;

pub(crate) use last::LastAgents;
pub(crate) use load::{Load, Work};
pub(crate) use rank::{Key, Rank, score};

use crate::agent::Agent;
use crate::centre::{Agent as Declared, Queue, Strategy};
use crate::id::{AgentId, ContactId, IdSource, QueueId};
use crate::slot::{PerSlot, Slot};
use core::cmp::Reverse;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// A contact's order in its queue: the one that is not late where late ones wait behind, the one with more
/// priority, then the earlier arrival.
///
/// Priority grows alike for all contacts of a queue, so what it is worth relative to the others
/// of the queue is known at the arrival and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// It has missed its queue's service level, and waits behind those who have not.
    pub late: bool,
    /// What its priority would have been at time 0, in thousandths of a point, negated.
    order: i64,
    /// From when on its waiting counts: decides only for one that has waited elsewhere before.
    came_ms: u64,
    pub arrival: u64,
    pub contact: ContactId,
}

impl Place {
    /// Of a contact that came so many milliseconds after the start of the clock, as the
    /// `arrival`th.
    pub fn new(
        priority: i32,
        queue: Option<&Queue>,
        came_ms: u64,
        arrival: u64,
        contact: ContactId,
    ) -> Self {
        let mut place = Self {
            late: false,
            order: 0,
            came_ms,
            arrival,
            contact,
        };
        place.reorder(priority, queue, came_ms);
        place
    }

    /// What decides between two that are equally urgent: the greater has come earlier.
    pub fn came(&self) -> Reverse<(u64, u64)> {
        Reverse((self.came_ms, self.arrival))
    }

    /// Its order in another queue, or in one that was declared anew.
    pub fn reorder(&mut self, priority: i32, queue: Option<&Queue>, came_ms: u64) {
        self.order = gained(queue, came_ms) - i64::from(priority) * 1_000;
    }

    /// Its priority at a time, in thousandths of a point.
    pub fn priority_at(&self, queue: &Queue, now_ms: u64) -> i64 {
        gained(Some(queue), now_ms) - self.order
    }
}

/// The priority that waiting from time 0 on would have brought, in thousandths of a point.
fn gained(queue: Option<&Queue>, ms: u64) -> i64 {
    let points = queue.map_or(0, |queue| queue.priority_per_minute);
    let gained = ms.saturating_mul(u64::from(points)) / 60;
    i64::try_from(gained).unwrap_or(i64::MAX / 2)
}

/// What decides between the first contacts of several queues: the greatest is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency {
    /// It does not wait behind others.
    pub in_time: bool,
    /// In thousandths of a point.
    pub priority: i64,
    /// The part of its queue's service level that it has waited, in thousandths, and more where
    /// the queue falls short of it.
    pub waited: u64,
    /// From when on its waiting counts, and which arrival it was.
    pub came: Reverse<(u64, u64)>,
}

/// A queue, the skills asked for, and the medium.
#[derive(Debug)]
pub(crate) struct Class {
    pub queue: QueueId,
    /// Index of the queue.
    pub queue_at: usize,
    pub strategy: Strategy,
    pub skills: BTreeMap<String, u8>,
    pub slot: Slot,
    /// Agents that can serve it, free or not.
    pub members: BTreeSet<AgentId>,
    /// Those that are free, in the order of the strategy.
    pub free: BTreeSet<Rank>,
    /// Contacts that want an agent and for whom no phone rings.
    pub waiting: BTreeSet<Place>,
    /// Contacts for whom phones ring and that want one more.
    pub ringing: BTreeSet<Place>,
    /// Calls that its members who are ready can take at a time, busy or not.
    pub ready: usize,
    /// Classes that share agents with it, itself included, with the part of their agents that are
    /// its agents too, from 0 to 1.
    pub shares: Vec<(usize, f64)>,
    /// How far the lots are drawn; see [`rank`].
    drawn: f64,
}

/// Members of a class that are looked at to see which other classes they serve.
const SAMPLE: usize = 64;

/// The first skill that an agent lacks, with the level wanted and the level that it has.
pub(crate) fn lacking<'a>(
    wanted: &'a BTreeMap<String, u8>,
    agent: &Declared,
) -> Option<(&'a str, u8, u8)> {
    wanted.iter().find_map(|(skill, level)| {
        let has = agent.skills.get(skill).copied().unwrap_or(0);
        (has < *level).then_some((skill.as_str(), *level, has))
    })
}

/// Whether an agent serves a queue.
pub(crate) fn serves(agent: &Declared, queue: &QueueId) -> bool {
    agent
        .queues
        .as_ref()
        .is_none_or(|queues| queues.contains(queue))
}

/// What is asked for.
type Wish = (QueueId, Vec<(String, u8)>, Slot);

/// All classes.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    classes: Vec<Class>,
    by_wish: FxHashMap<Wish, usize>,
}

impl Classes {
    /// The class of a wish, made if it is new. Agents join later.
    pub fn intern(
        &mut self,
        (queue_at, queue): (usize, &Queue),
        skills: &BTreeMap<String, u8>,
        slot: Slot,
    ) -> usize {
        let next = self.classes.len();
        let wish = wish(&queue.id, skills, slot);
        let index = *self.by_wish.entry(wish).or_insert(next);
        if index == next {
            self.classes.push(Class {
                queue: queue.id.clone(),
                queue_at,
                strategy: queue.strategy,
                skills: skills.clone(),
                slot,
                members: BTreeSet::new(),
                free: BTreeSet::new(),
                waiting: BTreeSet::new(),
                ringing: BTreeSet::new(),
                ready: 0,
                shares: Vec::new(),
                drawn: 0.0,
            });
        }
        index
    }

    /// The class of a wish, if there is one.
    pub fn find(
        &self,
        queue: &QueueId,
        skills: &BTreeMap<String, u8>,
        slot: Slot,
    ) -> Option<usize> {
        self.by_wish.get(&wish(queue, skills, slot)).copied()
    }

    pub fn get(&self, class: usize) -> Option<&Class> {
        self.classes.get(class)
    }

    pub fn get_mut(&mut self, class: usize) -> Option<&mut Class> {
        self.classes.get_mut(class)
    }

    /// Enters an agent everywhere that it can serve, and says where.
    pub fn join(&mut self, agent: &Declared) -> Vec<usize> {
        let mut joined = Vec::new();
        for index in 0..self.classes.len() {
            if self.join_one(agent, index) {
                joined.push(index);
            }
        }
        joined
    }

    /// How many there are; they are numbered from 0.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Enters an agent where it can serve those classes that were made after the first `known`.
    pub fn join_later(&mut self, known: usize, agent: &mut Agent, lots: &mut IdSource) {
        for index in known..self.classes.len() {
            if !self.join_one(&agent.declared, index) {
                continue;
            }
            let Some(class) = self.classes.get_mut(index) else {
                continue;
            };
            if agent.counted {
                class.ready += agent.capacities.get(class.slot);
            }
            if agent.keys.is_some() {
                let key = class.enter(agent, lots);
                agent.keys.iter_mut().for_each(|keys| keys.push(key));
            }
            agent.classes.push(index);
        }
    }

    /// Enters an agent in a class, if it can serve it.
    pub fn join_one(&mut self, agent: &Declared, class: usize) -> bool {
        let Some(class) = self.classes.get_mut(class) else {
            return false;
        };
        let takes = agent.capacity_for(class.slot) > 0 && serves(agent, &class.queue);
        let joins = takes && lacking(&class.skills, agent).is_none();
        if joins {
            class.members.insert(agent.id.clone());
        }
        joins
    }

    /// Finds out which classes share agents. `serves` gives the classes of an agent.
    pub fn compare<'a>(&mut self, serves: impl Fn(&AgentId) -> Option<&'a [usize]>) {
        for class in &mut self.classes {
            class.shares.clear();
        }
        for other in 0..self.classes.len() {
            let Some(class) = self.classes.get(other) else {
                continue;
            };
            let step = class.members.len().div_ceil(SAMPLE).max(1);
            let sample = class.members.iter().step_by(step);
            let (mut counts, mut size) = (BTreeMap::<usize, u32>::new(), 0_u32);
            for agent in sample {
                size += 1;
                for served in serves(agent).into_iter().flatten() {
                    *counts.entry(*served).or_default() += 1;
                }
            }
            let slot = class.slot;
            for (index, count) in counts {
                // What an agent has in one medium takes nothing of its capacity for another.
                let found = self.classes.get_mut(index);
                if let Some(class) = found.filter(|class| class.slot == slot) {
                    let part = f64::from(count) / f64::from(size);
                    class.shares.push((other, part));
                }
            }
        }
    }

    /// Counts what an agent can take at a time in all its classes, or no longer.
    pub fn count_ready(&mut self, classes: &[usize], capacities: &PerSlot, ready: bool) {
        for index in classes {
            if let Some(class) = self.classes.get_mut(*index) {
                let capacity = capacities.get(class.slot);
                class.ready = match ready {
                    true => class.ready + capacity,
                    false => class.ready.saturating_sub(capacity),
                };
            }
        }
    }

    /// The classes of a queue.
    pub fn of_queue(&self, queue_at: usize) -> impl Iterator<Item = usize> {
        let classes = self.classes.iter().enumerate();
        let own = classes.filter(move |(_, class)| class.queue_at == queue_at);
        own.map(|(index, _)| index)
    }

    /// Puts an agent among the free of those of its classes in whose medium it is free, and says with
    /// which keys.
    pub fn enter_free(&mut self, agent: &Agent, lots: &mut IdSource) -> Vec<Key> {
        let mut keys = Vec::with_capacity(agent.classes.len());
        for index in &agent.classes {
            let Some(class) = self.classes.get_mut(*index) else {
                continue;
            };
            keys.push(class.enter(agent, lots));
        }
        keys
    }

    /// Takes an agent from the free of its classes.
    pub fn leave_free(&mut self, agent: &Agent, keys: &[Key]) {
        for (index, key) in agent.classes.iter().zip(keys) {
            let class = self.classes.get_mut(*index);
            if let Some(class) = class.filter(|class| agent.free.contains(class.slot)) {
                class.leave_free(*key, &agent.declared.id);
            }
        }
    }

    /// The most urgent contact that an agent of these classes may serve, of those in these sets.
    pub fn first(
        &self,
        classes: impl Iterator<Item = usize>,
        set: impl Fn(&Class) -> &BTreeSet<Place>,
        may: impl Fn(ContactId) -> bool,
        urgency: impl Fn(&Class, &Place) -> Urgency,
    ) -> Option<(Urgency, ContactId)> {
        let of_class = |index: usize| {
            let class = self.classes.get(index)?;
            let place = set(class).iter().find(|place| may(place.contact))?;
            Some((urgency(class, place), place.contact))
        };
        classes.filter_map(of_class).max()
    }
}

fn wish(queue: &QueueId, skills: &BTreeMap<String, u8>, slot: Slot) -> Wish {
    let skills = skills.iter().map(|(skill, level)| (skill.clone(), *level));
    (queue.clone(), skills.collect(), slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str, skills: &[(&str, u8)], queues: Option<&[&str]>) -> Declared {
        let mut agent = Declared::new(id);
        agent.skills = skills.iter().map(|(s, l)| ((*s).into(), *l)).collect();
        agent.queues = queues.map(|q| q.iter().map(|id| QueueId::from(*id)).collect());
        agent
    }

    fn skills(list: &[(&str, u8)]) -> BTreeMap<String, u8> {
        list.iter().map(|(s, l)| ((*s).into(), *l)).collect()
    }

    // A4
    #[test]
    fn an_agent_joins_what_its_queues_and_skill_levels_allow() {
        let mut classes = Classes::default();
        let (a, b) = (Queue::new("a"), Queue::new("b"));
        let any = classes.intern((0, &a), &skills(&[]), Slot::Call);
        let two = classes.intern((0, &a), &skills(&[("german", 2)]), Slot::Call);
        let five = classes.intern((0, &a), &skills(&[("german", 5)]), Slot::Call);
        let other = classes.intern((1, &b), &skills(&[]), Slot::Call);
        assert_eq!(
            classes.intern((0, &a), &skills(&[("german", 2)]), Slot::Call),
            two
        );
        assert_eq!(
            classes.join(&agent("x", &[("german", 3)], Some(&["a"]))),
            [any, two]
        );
        assert_eq!(
            classes.join(&agent("y", &[("german", 5)], None)),
            [any, two, five, other]
        );
        assert_eq!(classes.join(&agent("z", &[], Some(&[]))), [0usize; 0]);
    }

    // A4
    #[test]
    fn the_most_urgent_is_first_across_classes() {
        let mut classes = Classes::default();
        let (a, b) = (
            classes.intern((0, &Queue::new("a")), &skills(&[]), Slot::Call),
            classes.intern((1, &Queue::new("b")), &skills(&[]), Slot::Call),
        );
        for (class, priority, arrival) in [(a, 0, 1), (b, 0, 2), (b, 5, 3), (a, 5, 4)] {
            let place = Place::new(priority, None, arrival, arrival, ContactId(arrival));
            if let Some(class) = classes.get_mut(class) {
                class.waiting.insert(place);
            }
        }
        let urgency = |class: &Class, place: &Place| Urgency {
            in_time: true,
            priority: place.priority_at(&Queue::new(class.queue.clone()), 10),
            waited: 0,
            came: place.came(),
        };
        let first = |of: &[usize], but: &[u64]| {
            let found = classes.first(
                of.iter().copied(),
                |class| &class.waiting,
                |c| !but.contains(&c.0),
                urgency,
            );
            found.map(|(_, contact)| contact.0)
        };
        assert_eq!(first(&[a, b], &[]), Some(3));
        assert_eq!(first(&[a, b], &[3]), Some(4));
        assert_eq!(first(&[a, b], &[3, 4]), Some(1));
        assert_eq!(first(&[a, b], &[1, 2, 3, 4]), None);
        assert_eq!(first(&[b], &[]), Some(3));
    }

    // A4
    #[test]
    fn priority_that_grows_lets_the_patient_pass_before_the_important() {
        let queue = Queue {
            priority_per_minute: 2,
            ..Queue::new("q")
        };
        let place =
            |priority, came_ms, n| Place::new(priority, Some(&queue), came_ms, n, ContactId(n));
        let patient = place(0, 60_000, 1);
        assert!(place(10, 359_000, 2) < patient, "not five minutes later");
        assert!(patient < place(10, 361_000, 3), "more than five minutes");
        assert_eq!(patient.priority_at(&queue, 60_000), 0);
        assert_eq!(patient.priority_at(&queue, 360_000), 10_000);
    }
}
