//! An explanation as a table for people.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use patchbay_bench::report::Paint;
use patchbay_core::explain::{ConditionVerdict, Considered, Outcome, RuleVerdict, Typed};
use patchbay_core::{Explanation, Facts};
use serde_json::Value;

/// Widest column of what a rule wants; longer ones have a line of their own.
const WANTED_COLUMNS: usize = 36;

/// The whole table.
pub fn table(facts: &Facts, explanation: &Explanation, paint: Paint) -> String {
    let called = match facts.request_uri.is_empty() {
        true => &facts.to,
        false => &facts.request_uri,
    };
    let (called, from) = (clean(called), clean(&facts.from));
    let mut out = format!(
        "{}\n\n",
        paint.strong(&format!("a call to {called} from {from}"))
    );
    if let Some(server) = &explanation.asks {
        let asked = paint.strong(&format!("server {server}"));
        out.push_str(&format!(
            "{asked} would be asked; what the facts say stands for its answer\n"
        ));
    }
    for rule in &explanation.rules {
        out.push_str(&rule_lines(rule, paint));
    }
    if explanation.rules.is_empty() {
        out.push_str("no rule was asked\n");
    }
    out.push('\n');
    out.push_str(&result(explanation, paint));
    out
}

fn rule_lines(rule: &RuleVerdict, paint: Paint) -> String {
    let verdict = match rule.matched {
        true => paint.good("matches"),
        false => paint.faint("does not match"),
    };
    let mut out = format!(
        "{} {verdict}\n",
        paint.strong(&format!("rule {}", rule.rule))
    );
    let width = |of: fn(&ConditionVerdict) -> &str| {
        let conditions = rule.conditions.iter();
        conditions
            .map(|one| of(one).chars().count())
            .max()
            .unwrap_or(0)
    };
    let names = width(|one| &one.condition);
    let wanted = width(|one| &one.wanted).min(WANTED_COLUMNS);
    for condition in &rule.conditions {
        let mark = match condition.holds {
            true => paint.good("yes"),
            false => paint.bad(" no"),
        };
        let start = format!("  {mark}  {:<names$}  ", clean(&condition.condition));
        let (wants, found) = (clean(&condition.wanted), clean(&condition.found));
        let line = match wants.chars().count() > wanted {
            true => format!(
                "{start}{wants}\n{:indent$}found {found}\n",
                "",
                indent = names + 9
            ),
            false => format!("{start}{wants:<wanted$}  found {found}\n"),
        };
        out.push_str(&line);
    }
    if rule.conditions.is_empty() {
        out.push_str("  yes  it has no conditions\n");
    }
    out
}

fn result(explanation: &Explanation, paint: Paint) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(typed) = &explanation.typed {
        typed_rows(typed, &mut rows);
    }
    let media = match explanation.media.is_empty() {
        true => "none that can be served".to_owned(),
        false => explanation.media.join(", "),
    };
    rows.push(("media", media));
    rows.extend(
        explanation
            .unusable
            .iter()
            .map(|one| ("unusable", clean(one))),
    );
    rows.push(("outcome", paint.strong(&outcome(&explanation.outcome))));
    if let Some(choice) = &explanation.choice {
        let strategy = serde_json::to_value(choice.strategy).unwrap_or_default();
        let counts = format!(
            "{} qualified, {} of them free, by {}",
            choice.qualified,
            choice.free,
            strategy.as_str().unwrap_or_default().replace('_', " ")
        );
        rows.push(("agents", counts));
        rows.extend(choice.considered.iter().map(|one| ("", considered(one))));
    }
    let mut out = String::new();
    for (name, text) in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{name:<11}{text}");
    }
    out
}

fn typed_rows(typed: &Typed, rows: &mut Vec<(&'static str, String)>) {
    rows.push(("call type", clean(&typed.call_type)));
    rows.push(("queue", typed.queue.to_string()));
    rows.push(("priority", typed.priority.to_string()));
    if !typed.skills.is_empty() {
        rows.push(("skills", pairs(&typed.skills, " from level ")));
    }
    if !typed.attributes.is_empty() {
        rows.push(("attributes", pairs(&typed.attributes, " = ")));
    }
}

fn pairs<V: Display>(all: &BTreeMap<String, V>, between: &str) -> String {
    let pairs = all
        .iter()
        .map(|(name, value)| clean(&format!("{name}{between}{value}")));
    pairs.collect::<Vec<_>>().join(", ")
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Offer { agent } => format!("offered to {agent}"),
        Outcome::Menu { menu } => format!("the caller chooses from menu {menu}"),
        Outcome::Queue { position } => format!("waits at position {position}"),
        Outcome::Refuse { status, why } => format!("refused with {status}: {}", why.text()),
    }
}

/// `anna: lacks skill (skill german, needs 2, has 0)`. Times that an agent was idle for are left
/// out: they say nothing of a call that is only tried.
fn considered(considered: &Considered) -> String {
    let value = serde_json::to_value(considered).unwrap_or_default();
    let fields: BTreeMap<&str, &Value> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let word = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let verdict = fields.get("verdict").map_or(String::new(), |one| word(one));
    let details: Vec<String> = fields
        .iter()
        .filter(|(name, _)| !matches!(**name, "agent" | "verdict") && !name.ends_with("_ms"))
        .map(|(name, value)| format!("{name} {}", word(value)))
        .collect();
    let details = match details.is_empty() {
        true => String::new(),
        false => format!(" ({})", details.join(", ")),
    };
    clean(&format!(
        "{}: {}{details}",
        considered.agent,
        verdict.replace('_', " ")
    ))
}

/// What a caller sends must not move the cursor of a terminal.
fn clean(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
}
