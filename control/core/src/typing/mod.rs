//! Call typing (requirement A3): an ordered list of rules over the facts of a contact. The first
//! rule whose conditions all hold decides.

mod calendar;
mod condition;
mod expression;
mod hours;
mod pattern;
mod prefix;

pub(crate) use calendar::Calendar;
pub(crate) use condition::Seen;
pub(crate) use expression::{Expression, Variable};
pub(crate) use hours::Window;
pub(crate) use pattern::Pattern;
pub use prefix::Prefix;

use crate::centre::{Centre, Relax, Rule};
use crate::explain::{RuleVerdict, Typed};
use crate::facts::Facts;
use crate::id::{MenuId, QueueId, RuleId};
use crate::media::Usable;
use condition::Declared;
use std::sync::Arc;

/// The rules, ready for comparison.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Ready>,
    calendars: Vec<Calendar>,
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
    /// Its caller chooses first.
    Menu(MenuId, RuleId),
}

/// The rule that matched.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub decision: Decision,
    /// Its conditions and what they matched.
    pub because: Vec<String>,
}

/// What the rules say of a contact.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// None if no rule matches.
    pub matched: Option<Match>,
    /// Expressions of which it could not be said whether they hold.
    pub failed_expressions: u64,
}

impl Rules {
    /// The rules and calendars of a declaration without problems.
    pub fn new(centre: &Centre) -> Self {
        let calendars = centre.calendars.iter();
        let calendars: Vec<Calendar> = calendars
            .map(|one| Calendar::new(one).unwrap_or_else(|_| Calendar::never(&one.id)))
            .collect();
        let rules = centre.rules.iter();
        Self {
            rules: rules.map(|rule| Ready::new(rule, &calendars)).collect(),
            calendars,
        }
    }

    /// Whether any rule asks for earlier contacts.
    pub fn ask_for_earlier(&self) -> bool {
        let mut conditions = self.rules.iter().flat_map(|rule| &rule.conditions);
        conditions.any(|condition| condition.names(Variable::Earlier))
    }

    /// The calendars, for other expressions.
    pub fn calendars(&self) -> &[Calendar] {
        &self.calendars
    }

    /// What the contact is.
    pub fn decide(&self, facts: &Facts, usable: &Usable, unix_ms: u64) -> Decided {
        let seen = Seen::new(facts, usable, unix_ms, &self.calendars);
        let mut failed_expressions = 0;
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.matches(&seen, &mut failed_expressions));
        Decided {
            matched: rule.map(|rule| rule.told(&seen)),
            failed_expressions,
        }
    }

    /// What each rule says, up to and including the first that matches.
    pub fn explain(&self, facts: &Facts, usable: &Usable, unix_ms: u64) -> Vec<RuleVerdict> {
        let seen = Seen::new(facts, usable, unix_ms, &self.calendars);
        let mut verdicts = Vec::new();
        for rule in &self.rules {
            let matched = rule.matches(&seen, &mut 0);
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
    fn new(rule: &Rule, calendars: &[Calendar]) -> Self {
        let then = match (&rule.then.queue, &rule.then.menu) {
            (Some(queue), _) => {
                Decision::Queue(typed(rule, queue), rule.then.relax.as_slice().into())
            }
            (None, Some(menu)) => Decision::Menu(menu.clone(), rule.id.clone()),
            (None, None) => Decision::Refuse(rule.then.refuse.unwrap_or(403)),
        };
        Self {
            id: rule.id.clone(),
            conditions: Declared::all(rule, calendars),
            then,
        }
    }

    /// Whether all conditions hold; counts the expressions of which that cannot be said.
    fn matches(&self, seen: &Seen<'_>, failed: &mut u64) -> bool {
        self.conditions.iter().all(|condition| {
            condition.holds(seen).unwrap_or_else(|_| {
                *failed += 1;
                false
            })
        })
    }

    fn told(&self, seen: &Seen<'_>) -> Match {
        let because = self.conditions.iter().map(|declared| {
            let verdict = declared.verdict(seen);
            format!(
                "{}: {} fits {}",
                verdict.condition, verdict.found, verdict.wanted
            )
        });
        let mut because: Vec<String> = because.collect();
        if because.is_empty() {
            because.push("the rule has no conditions".into());
        }
        Match {
            decision: self.then.clone(),
            because,
        }
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
        attributes: rule.then.attributes.clone(),
    }
}
