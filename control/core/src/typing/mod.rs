//! Call typing (requirement A3): an ordered list of rules over the facts of a contact. The first
//! rule whose conditions all hold decides.

mod condition;
mod hours;
mod pattern;
mod prefix;

pub(crate) use hours::Window;
pub(crate) use pattern::Pattern;
pub use prefix::Prefix;

use crate::centre::{Relax, Rule};
use crate::explain::{RuleVerdict, Typed};
use crate::facts::Facts;
use crate::id::{QueueId, RuleId};
use crate::media::Usable;
use condition::{Declared, Seen};
use std::sync::Arc;

/// The rules, ready for comparison.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    id: RuleId,
    conditions: Vec<Declared>,
    then: Decision,
}

/// What a rule decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Where it goes, and what it asks for later.
    Queue(Typed, Arc<[Relax]>),
    Refuse(u16),
}

/// The rule that matched.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub decision: Decision,
    /// Its conditions and what they matched.
    pub because: Vec<String>,
}

impl Rules {
    pub fn new(rules: &[Rule]) -> Self {
        Self {
            rules: rules.iter().map(Ready::new).collect(),
        }
    }

    /// What the contact is; none if no rule matches.
    pub fn decide(&self, facts: &Facts, usable: &Usable, unix_ms: u64) -> Option<Match> {
        let seen = Seen::new(facts, usable, unix_ms);
        let rule = self.rules.iter().find(|rule| rule.matches(&seen))?;
        let because = rule.conditions.iter().map(|declared| {
            let verdict = declared.verdict(&seen);
            format!(
                "{}: {} fits {}",
                verdict.condition, verdict.found, verdict.wanted
            )
        });
        let mut because: Vec<String> = because.collect();
        if because.is_empty() {
            because.push("the rule has no conditions".into());
        }
        Some(Match {
            decision: rule.then.clone(),
            because,
        })
    }

    /// What each rule says, up to and including the first that matches.
    pub fn explain(&self, facts: &Facts, usable: &Usable, unix_ms: u64) -> Vec<RuleVerdict> {
        let seen = Seen::new(facts, usable, unix_ms);
        let mut verdicts = Vec::new();
        for rule in &self.rules {
            let matched = rule.matches(&seen);
            verdicts.push(RuleVerdict {
                rule: rule.id.clone(),
                matched,
                conditions: rule.conditions.iter().map(|c| c.verdict(&seen)).collect(),
            });
            if matched {
                break;
            }
        }
        verdicts
    }
}

impl Ready {
    fn new(rule: &Rule) -> Self {
        let then = match (&rule.then.queue, rule.then.refuse) {
            (Some(queue), _) => {
                Decision::Queue(typed(rule, queue), rule.then.relax.as_slice().into())
            }
            (None, status) => Decision::Refuse(status.unwrap_or(403)),
        };
        Self {
            id: rule.id.clone(),
            conditions: Declared::all(&rule.when),
            then,
        }
    }

    fn matches(&self, seen: &Seen<'_>) -> bool {
        self.conditions.iter().all(|c| c.holds(seen))
    }
}

fn typed(rule: &Rule, queue: &QueueId) -> Typed {
    let name = rule.then.call_type.clone();
    Typed {
        rule: rule.id.clone(),
        call_type: name.unwrap_or_else(|| rule.id.to_string()),
        queue: queue.clone(),
        skills: rule.then.skills.clone(),
        priority: rule.then.priority,
    }
}
