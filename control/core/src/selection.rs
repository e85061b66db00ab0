//! Who serves whom (requirement A4): the free agents and the waiting contacts of each class.
//!
//! A *class* is a queue and the skills asked for: what a rule can ask of an agent. There are as
//! many as the rules make, and each agent belongs to those that it can serve. A decision then
//! looks at free agents of one class, or at the waiting contacts of one agent's classes, and
//! never at everybody.

use crate::centre::Agent as Declared;
use crate::id::{AgentId, ContactId, QueueId};
use core::cmp::Reverse;
use core::time::Duration;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// A contact's order: the higher priority first, then the earlier arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub priority: Reverse<i32>,
    pub arrival: u64,
    pub contact: ContactId,
}

/// A free agent's order: the longest idle first, then the smaller identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub idle_since: Duration,
    pub agent: AgentId,
}

/// A queue and the skills asked for.
#[derive(Debug)]
pub(crate) struct Class {
    pub queue: QueueId,
    pub skills: BTreeMap<String, u8>,
    /// Agents that can serve it, free or not.
    pub members: BTreeSet<AgentId>,
    /// Those that are free.
    pub free: BTreeSet<Rank>,
    /// Contacts that wait, without those on offer.
    pub waiting: BTreeSet<Place>,
}

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

/// All classes.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    classes: Vec<Class>,
    by_wish: FxHashMap<(QueueId, Vec<(String, u8)>), usize>,
}

impl Classes {
    /// The class of a wish, made if it is new.
    pub fn intern(&mut self, queue: &QueueId, skills: &BTreeMap<String, u8>) -> usize {
        let wish = skills.iter().map(|(s, l)| (s.clone(), *l)).collect();
        let next = self.classes.len();
        let index = *self.by_wish.entry((queue.clone(), wish)).or_insert(next);
        if index == next {
            self.classes.push(Class {
                queue: queue.clone(),
                skills: skills.clone(),
                members: BTreeSet::new(),
                free: BTreeSet::new(),
                waiting: BTreeSet::new(),
            });
        }
        index
    }

    /// The class of a wish, if there is one.
    pub fn find(&self, queue: &QueueId, skills: &BTreeMap<String, u8>) -> Option<usize> {
        let wish = skills.iter().map(|(s, l)| (s.clone(), *l)).collect();
        self.by_wish.get(&(queue.clone(), wish)).copied()
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
        for (index, class) in self.classes.iter_mut().enumerate() {
            if serves(agent, &class.queue) && lacking(&class.skills, agent).is_none() {
                class.members.insert(agent.id.clone());
                joined.push(index);
            }
        }
        joined
    }

    /// Puts an agent among the free, or takes it from them.
    pub fn set_free(&mut self, classes: &[usize], rank: &Rank, free: bool) {
        for index in classes {
            let Some(class) = self.classes.get_mut(*index) else {
                continue;
            };
            if free {
                class.free.insert(rank.clone());
            } else {
                class.free.remove(rank);
            }
        }
    }

    /// The first contact that an agent of these classes may serve.
    pub fn first_waiting(
        &self,
        classes: &[usize],
        may: impl Fn(ContactId) -> bool,
    ) -> Option<ContactId> {
        let of_class = |index: &usize| {
            let waiting = &self.classes.get(*index)?.waiting;
            waiting.iter().find(|place| may(place.contact))
        };
        let first = classes.iter().filter_map(of_class).min()?;
        Some(first.contact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str, skills: &[(&str, u8)], queues: Option<&[&str]>) -> Declared {
        Declared {
            id: id.into(),
            name: String::new(),
            skills: skills.iter().map(|(s, l)| ((*s).into(), *l)).collect(),
            queues: queues.map(|q| q.iter().map(|id| QueueId::from(*id)).collect()),
            password: None,
            digest: None,
            uri: None,
            devices: None,
            notice: None,
            paused: false,
        }
    }

    fn skills(list: &[(&str, u8)]) -> BTreeMap<String, u8> {
        list.iter().map(|(s, l)| ((*s).into(), *l)).collect()
    }

    // A4
    #[test]
    fn an_agent_joins_what_its_queues_and_skill_levels_allow() {
        let mut classes = Classes::default();
        let any = classes.intern(&"a".into(), &skills(&[]));
        let two = classes.intern(&"a".into(), &skills(&[("german", 2)]));
        let five = classes.intern(&"a".into(), &skills(&[("german", 5)]));
        let other = classes.intern(&"b".into(), &skills(&[]));
        assert_eq!(classes.intern(&"a".into(), &skills(&[("german", 2)])), two);
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
    fn the_highest_priority_then_the_earliest_is_first_across_classes() {
        let mut classes = Classes::default();
        let (a, b) = (
            classes.intern(&"a".into(), &skills(&[])),
            classes.intern(&"b".into(), &skills(&[])),
        );
        for (class, priority, arrival) in [(a, 0, 1), (b, 0, 2), (b, 5, 3), (a, 5, 4)] {
            if let Some(class) = classes.get_mut(class) {
                class.waiting.insert(Place {
                    priority: Reverse(priority),
                    arrival,
                    contact: ContactId(arrival),
                });
            }
        }
        let first = |but: &[u64]| classes.first_waiting(&[a, b], |c| !but.contains(&c.0));
        assert_eq!(first(&[]), Some(ContactId(3)));
        assert_eq!(first(&[3]), Some(ContactId(4)));
        assert_eq!(first(&[3, 4]), Some(ContactId(1)));
        assert_eq!(first(&[1, 2, 3, 4]), None);
        assert_eq!(classes.first_waiting(&[b], |_| true), Some(ContactId(3)));
    }
}
