//! Finds the problems of rules.

use super::problems::{Problem, Problems};
use super::traits;
use super::validate::{known, skills};
use super::{Hours, Many, Menu, Rule, Then, When};
use crate::id;
use crate::id::{MenuId, QueueId};
use crate::limits::{
    MAX_ALTERNATIVES, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, MAX_ID_BYTES, MAX_PRIORITY,
    MAX_RELAXING_STEPS,
};
use crate::typing::{Calendar, Expression, Pattern, Prefix, Window};
use std::collections::BTreeSet;

const MEDIA: &[&str] = &["audio", "video", "message", "text"];
const MAX_RELAX_SECONDS: u32 = 86_400;
const TRANSPORTS: &[&str] = &["udp", "tcp", "tls", "ws", "wss"];

pub(super) fn check(
    problems: &mut Problems,
    rules: &[Rule],
    queues: &BTreeSet<&QueueId>,
    calendars: &[Calendar],
) {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("rule[{index}].when");
        when(problems, &path, &rule.when);
        calendar(problems, &path, &rule.when, calendars);
        expression(problems, &path, &rule.when, calendars);
        then(problems, &format!("rule[{index}].then"), &rule.then, queues);
    }
    // A menu asks each contact once, and leaves what follows to other rules.
    let all = |rule: &Rule| rule.when == When::default() && rule.then.menu.is_none();
    let fallback = rules.iter().position(all);
    match fallback {
        None => problems.add(
            "rule",
            "no rule matches everything, so some contacts would have no place to go",
            "add a last rule without `when`, such as then = { queue = \"…\" } or then = { refuse = 404 }",
        ),
        Some(at) => {
            for (index, rule) in rules.iter().enumerate().skip(at + 1) {
                problems.add(
                    format!("rule[{index}]"),
                    format!("rule `{}` is never reached: rule[{at}] matches everything", rule.id),
                    format!("move it before rule[{at}], or give that one conditions"),
                );
            }
        }
    }
}

fn when(problems: &mut Problems, path: &str, when: &When) {
    let fields = [
        ("to", &when.to),
        ("uri", &when.uri),
        ("from", &when.from),
        ("protocol", &when.protocol),
    ];
    for (field, values) in fields {
        patterns(problems, &format!("{path}.{field}"), values.as_ref());
    }
    problems.at_most(
        format!("{path}.header"),
        when.header.len(),
        MAX_ALTERNATIVES,
    );
    for (name, values) in &when.header {
        let at = format!("{path}.header.{name}");
        if name.is_empty() || !name.bytes().all(is_token) {
            problems.add(
                &at,
                format!("`{name}` is not a header's name"),
                "correct it",
            );
        }
        patterns(problems, &at, Some(values));
    }
    one_of(
        problems,
        &format!("{path}.medium"),
        when.medium.as_ref(),
        MEDIA,
    );
    one_of(
        problems,
        &format!("{path}.transport"),
        when.transport.as_ref(),
        TRANSPORTS,
    );
    each(
        problems,
        &format!("{path}.codec"),
        when.codec.as_ref(),
        |codec: &String| {
            let named = !codec.is_empty() && codec.bytes().all(is_token);
            (!named).then(|| {
                (
                    format!("`{codec}` is not a codec's name"),
                    "such as \"PCMA\"".into(),
                )
            })
        },
    );
    each(
        problems,
        &format!("{path}.source"),
        when.source.as_ref(),
        |text: &String| {
            Prefix::parse(text).is_none().then(|| {
                let message = format!("`{text}` is neither an address nor a prefix");
                (message, "write it like \"203.0.113.0/24\"".into())
            })
        },
    );
    hours(problems, &format!("{path}.hours"), when.hours.as_ref());
}

/// Menus that rules name are there, and so are the answers that they look for.
pub(super) fn check_menus(problems: &mut Problems, rules: &[Rule], menus: &[Menu]) {
    let find = |id: &MenuId| menus.iter().find(|menu| menu.id == *id);
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("rule[{index}]");
        if let Some(id) = rule.then.menu.as_ref().filter(|id| find(id).is_none()) {
            no_menu(problems, format!("{path}.then.menu"), id);
        }
        for (id, words) in &rule.when.answer {
            let path = format!("{path}.when.answer.{id}");
            // Others may tell what was chosen in menus of their own (`POST /api/v1/route`, `[[ask]]`).
            let Some(menu) = find(id) else { continue };
            each(problems, &path, Some(words), |word: &String| {
                let remedy = || "use the answer of one of its choices".to_owned();
                (!menu.has(word)).then(|| (format!("`{word}` is no answer of `{id}`"), remedy()))
            });
        }
    }
}

fn no_menu(problems: &mut Problems, path: String, id: &MenuId) {
    let remedy = format!("declare it: [[menu]] id = \"{id}\"");
    problems.add(path, format!("there is no menu `{id}`"), remedy);
}

/// RFC 3261 section 25.1, `token`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

fn patterns(problems: &mut Problems, path: &str, values: Option<&Many<String>>) {
    each(problems, path, values, |text: &String| {
        let error = Pattern::new(text).err()?;
        let remedy = "write a text, with * for any characters and ? for one";
        Some((error.to_string(), remedy.into()))
    });
}

fn one_of(problems: &mut Problems, path: &str, values: Option<&Many<String>>, known: &[&str]) {
    each(problems, path, values, |text: &String| {
        let found = known.iter().any(|one| one.eq_ignore_ascii_case(text));
        let remedy = || format!("use one of: {}", known.join(", "));
        (!found).then(|| (format!("`{text}` is not known"), remedy()))
    });
}

/// Checks each of many values; the path of one in a list carries its index.
fn each<T>(
    problems: &mut Problems,
    path: &str,
    values: Option<&Many<T>>,
    wrong: impl Fn(&T) -> Option<(String, String)>,
) {
    let Some(values) = values else { return };
    problems.at_most(path, values.as_slice().len(), MAX_ALTERNATIVES);
    if values.as_slice().is_empty() {
        problems.add(
            path,
            "the list is empty, and would never match",
            "leave it out",
        );
    }
    for (index, value) in values.as_slice().iter().enumerate() {
        if let Some((message, remedy)) = wrong(value) {
            problems.add(at(path, values, index), message, remedy);
        }
    }
}

fn at<T>(path: &str, values: &Many<T>, index: usize) -> String {
    match values {
        Many::One(_) => path.into(),
        Many::Several(_) => format!("{path}[{index}]"),
    }
}

fn hours(problems: &mut Problems, path: &str, values: Option<&Many<Hours>>) {
    each(problems, path, values, |_| None);
    let Some(values) = values else { return };
    for (index, value) in values.as_slice().iter().enumerate() {
        for wrong in Window::new(value).err().into_iter().flatten() {
            let path = format!("{}.{}", at(path, values, index), wrong.field);
            problems.add(path, wrong.message, wrong.remedy);
        }
    }
}

fn calendar(problems: &mut Problems, path: &str, when: &When, calendars: &[Calendar]) {
    let path = format!("{path}.calendar");
    each(problems, &path, when.calendar.as_ref(), |text: &String| {
        let id = text.strip_prefix('!').unwrap_or(text);
        if calendars.iter().any(|calendar| calendar.id() == id) {
            return None;
        }
        let known: Vec<&str> = calendars.iter().take(10).map(Calendar::id).collect();
        let remedy = match known.is_empty() {
            true => format!("declare it: [[calendar]] id = \"{id}\""),
            false => format!("declare it, or use one of: {}", known.join(", ")),
        };
        Some((format!("there is no calendar `{id}`"), remedy))
    });
}

fn expression(problems: &mut Problems, path: &str, when: &When, calendars: &[Calendar]) {
    let zone = when.zone.as_deref();
    if let (Some(zone), None) = (zone, &when.expression) {
        problems.add(
            format!("{path}.zone"),
            format!("the zone `{zone}` belongs to no expression"),
            "leave it out; hours and calendars have zones of their own",
        );
    }
    let Some(text) = &when.expression else { return };
    if let Err(wrong) = Expression::new(text, zone.unwrap_or("UTC"), calendars) {
        problems.add(
            format!("{path}.{}", wrong.field),
            wrong.message,
            wrong.remedy,
        );
    }
}

/// What is wrong with what a contact is to be, but for its place.
pub(crate) fn check_then(to_check: &Then, queues: &BTreeSet<&QueueId>) -> Vec<Problem> {
    let mut problems = Problems::default();
    then(&mut problems, "decision", to_check, queues);
    problems.into_list()
}

fn then(problems: &mut Problems, path: &str, then: &Then, queues: &BTreeSet<&QueueId>) {
    if then.menu.is_some() {
        if then.queue.is_some() || then.refuse.is_some() {
            problems.add(
                format!("{path}.menu"),
                "it stands beside another place to go",
                "keep one of `queue`, `menu` and `refuse`",
            );
        }
        return;
    }
    match (&then.queue, then.refuse) {
        (Some(queue), None) => known(problems, format!("{path}.queue"), queue, queues),
        (None, Some(status)) => problems.range(format!("{path}.refuse"), status, 400, 699),
        (Some(_), Some(_)) => problems.add(
            format!("{path}.refuse"),
            "both `queue` and `refuse` are given",
            "keep one of them",
        ),
        (None, None) => problems.add(
            path,
            "none of `queue`, `menu` and `refuse` is given",
            "say where the contact goes, such as queue = \"…\"",
        ),
    }
    skills(problems, &format!("{path}.skills"), &then.skills);
    traits::check_then(problems, path, then);
    relax(problems, path, then);
    problems.range(
        format!("{path}.priority"),
        then.priority,
        -MAX_PRIORITY,
        MAX_PRIORITY,
    );
    if let Some(name) = &then.call_type
        && (name.is_empty() || name.len() > MAX_ID_BYTES || name.chars().any(char::is_control))
    {
        problems.add(
            format!("{path}.call_type"),
            format!("`{name}` is not a name"),
            format!("use 1 to {MAX_ID_BYTES} bytes of text"),
        );
    }
    attributes(problems, &format!("{path}.attributes"), then);
}

fn attributes(problems: &mut Problems, path: &str, then: &Then) {
    problems.at_most(path, then.attributes.len(), MAX_ATTRIBUTES);
    for (name, value) in &then.attributes {
        let path = format!("{path}.{name}");
        if let Err(error) = id::check(name) {
            problems.add(&path, format!("`{name}`: {error}"), "choose another name");
        }
        if value.len() > MAX_ATTRIBUTE_BYTES || value.chars().any(char::is_control) {
            problems.add(
                path,
                "the value is too long or holds a control character",
                format!("use at most {MAX_ATTRIBUTE_BYTES} bytes of text"),
            );
        }
    }
}

/// Each step later than the one before, and asking for no more.
fn relax(problems: &mut Problems, path: &str, then: &Then) {
    problems.at_most(
        format!("{path}.relax"),
        then.relax.len(),
        MAX_RELAXING_STEPS,
    );
    let first = then.asked();
    let (mut before, mut asked) = (0, &first);
    for (index, step) in then.relax.iter().enumerate() {
        let path = format!("{path}.relax[{index}]");
        skills(problems, &format!("{path}.skills"), &step.skills);
        if step.after_seconds <= before || step.after_seconds > MAX_RELAX_SECONDS {
            problems.add(
                format!("{path}.after_seconds"),
                format!("{} is out of range", step.after_seconds),
                format!(
                    "use {} to {MAX_RELAX_SECONDS}: steps are in their order",
                    before + 1
                ),
            );
        }
        let more = |(skill, level): (&String, &u8)| asked.get(skill).is_none_or(|had| level > had);
        if let Some((skill, _)) = step.skills.iter().find(|one| more(*one)) {
            problems.add(
                format!("{path}.skills.{skill}"),
                "a step may not ask for more than the one before",
                "lower the level, or leave the skill out",
            );
        }
        (before, asked) = (step.after_seconds, &step.skills);
    }
}
