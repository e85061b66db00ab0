//! What is allowed in a declaration, but most likely not meant.

use patchbay_core::Centre;
use patchbay_core::centre::{Agent, Rule};

use super::problem::Fault;

/// Shorter passwords are guessed by those who try many.
const SHORT_PASSWORD: usize = 8;

/// Everything odd, each with its path.
pub fn of(centre: &Centre) -> Vec<(String, Fault)> {
    let mut found = Vec::new();
    for (index, queue) in centre.queues.iter().enumerate() {
        let used = centre
            .rules
            .iter()
            .any(|rule| rule.then.queue.as_ref() == Some(&queue.id));
        // A server that is asked may name any queue.
        if !used && centre.asks.is_empty() {
            let fault = Fault::new(
                format!("no rule leads to queue `{}`", queue.id),
                "add a rule for it, or remove it",
            );
            found.push((format!("queue[{index}].id"), fault));
        }
    }
    for (index, rule) in centre.rules.iter().enumerate() {
        if let Some(fault) = nobody_serves(rule, centre) {
            found.push((format!("rule[{index}].then"), fault));
        }
    }
    for (index, agent) in centre.agents.iter().enumerate() {
        let short = |password: &str| password.chars().count() < SHORT_PASSWORD;
        if agent
            .password
            .as_ref()
            .is_some_and(|password| short(password.expose()))
        {
            let fault = Fault::new(
                format!("the password of `{}` is short", agent.id),
                format!(
                    "use {SHORT_PASSWORD} characters at least: phones are attacked by guessing"
                ),
            );
            found.push((format!("agent[{index}].password"), fault));
        }
    }
    found
}

fn nobody_serves(rule: &Rule, centre: &Centre) -> Option<Fault> {
    let queue = rule.then.queue.as_ref()?;
    let serves = |agent: &&Agent| {
        agent
            .queues
            .as_ref()
            .is_none_or(|queues| queues.contains(queue))
    };
    let mut serving = centre.agents.iter().filter(serves).peekable();
    if serving.peek().is_none() {
        return Some(Fault::new(
            format!("no agent serves queue `{queue}`"),
            "name the queue in an agent's `queues`, or leave `queues` out there",
        ));
    }
    let asked = rule.then.asked();
    let skilled = |agent: &Agent| {
        let has = agent.has();
        let mut skills = asked.iter();
        skills.all(|(skill, level)| has.get(skill).unwrap_or(&0) >= level)
    };
    if serving.any(skilled) {
        return None;
    }
    let skills: Vec<String> = asked
        .iter()
        .map(|(skill, level)| format!("{skill} {level}"))
        .collect();
    Some(Fault::new(
        format!(
            "no agent of queue `{queue}` has {} together",
            skills.join(", ")
        ),
        "lower the levels, or give an agent these skills",
    ))
}
