//! A large centre, from a seed: agents with queues and skills, and rules that ask for them.

use patchbay_core::centre::{Agent, Centre, Many, Queue, Rule, Strategy, Then, When};
use patchbay_core::{IdSource, QueueId};
use std::collections::BTreeMap;

use super::Size;

/// Queues that one agent serves, at most.
const QUEUES_EACH: u64 = 12;
/// Skills that one agent has, at most.
const SKILLS_EACH: u64 = 10;
/// The highest level that is given.
const LEVELS: u64 = 10;

/// From 0 to one less than `below`.
pub(super) fn any(numbers: &mut IdSource, below: u64) -> u64 {
    numbers.number() % below.max(1)
}

/// The user part that leads to a queue.
pub(super) fn called(queue: usize) -> String {
    format!("line{queue}")
}

/// A centre of that size. Queues take turns with the strategies, so that all are measured.
pub(super) fn centre(size: Size, numbers: &mut IdSource) -> Centre {
    let strategies = [
        Strategy::LongestIdle,
        Strategy::LeastOccupied,
        Strategy::RoundRobin,
        Strategy::TopDown,
        Strategy::SkillBest,
        Strategy::WeightedRandom,
    ];
    let queues = (0..size.queues).zip(strategies.into_iter().cycle());
    let queues = queues.map(|(at, strategy)| Queue {
        strategy,
        max_length: 10_000,
        max_wait_seconds: 3_600,
        ..Queue::new(named(at))
    });
    let mut rules: Vec<Rule> = (0..size.queues).map(|at| rule(at, size, numbers)).collect();
    rules.push(Rule {
        id: "rest".into(),
        when: When::default(),
        then: Then {
            refuse: Some(404),
            ..Then::default()
        },
    });
    Centre {
        queues: queues.collect(),
        agents: (0..size.agents)
            .map(|at| agent(at, size, numbers))
            .collect(),
        rules,
        ..Centre::default()
    }
}

fn named(queue: usize) -> QueueId {
    QueueId::new(format!("q{queue}"))
}

fn skill(size: Size, numbers: &mut IdSource) -> String {
    format!("s{}", any(numbers, size.skills as u64))
}

/// One in two asks for a skill.
fn rule(queue: usize, size: Size, numbers: &mut IdSource) -> Rule {
    let mut skills = BTreeMap::new();
    if queue.is_multiple_of(2) {
        skills.insert(skill(size, numbers), 1);
    }
    Rule {
        id: format!("r{queue}").as_str().into(),
        when: When {
            to: Some(Many::One(format!("{}@*", called(queue)))),
            ..When::default()
        },
        then: Then {
            queue: Some(named(queue)),
            skills,
            ..Then::default()
        },
    }
}

fn agent(number: usize, size: Size, numbers: &mut IdSource) -> Agent {
    let queues = (0..=any(numbers, QUEUES_EACH - 1))
        .map(|_| named(any(numbers, size.queues as u64) as usize))
        .collect();
    let skills = (0..=any(numbers, SKILLS_EACH - 1))
        .map(|_| (skill(size, numbers), 1 + any(numbers, LEVELS) as u8))
        .collect();
    Agent {
        queues: Some(queues),
        skills,
        uri: Some(format!("sip:a{number}@192.0.2.1")),
        ..Agent::new(format!("a{number}").as_str())
    }
}
