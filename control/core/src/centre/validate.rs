//! Finds every problem of a declaration, each with its place and what to do.

use super::problems::{Problem, Problems};
use super::{
    Agent, Centre, Digest, Queue, ask, calendar, call_back, menu, overflow, rules, site, traits,
    waiting, webhook,
};
use crate::id::{self, QueueId};
use crate::limits::{
    MAX_AGENTS, MAX_CAPACITY, MAX_PRIORITY, MAX_QUEUES, MAX_RING_AT_ONCE, MAX_RULES,
    MAX_SKILL_LEVEL, MAX_SKILLS,
};
use crate::slot::Slot;
use std::collections::{BTreeMap, BTreeSet};

const DAY_SECONDS: u32 = 86_400;
const WEEK_SECONDS: u32 = 7 * DAY_SECONDS;
const HOUR_SECONDS: u32 = 3_600;
const MAX_TIER: u8 = 100;
const MAX_WEIGHT: u16 = 1_000;
const MAX_QUEUE_LENGTH: usize = 10_000;
const MAX_RING_SECONDS: u32 = 180;
const MAX_URI_BYTES: usize = 512;
const MAX_NAME_BYTES: usize = 256;

/// All problems of a declaration together, at most [`crate::limits::MAX_PROBLEMS`]; none if it
/// can be configured.
pub fn validate(centre: &Centre) -> Vec<Problem> {
    let mut problems = Problems::default();
    problems.at_most("queue", centre.queues.len(), MAX_QUEUES);
    problems.at_most("agent", centre.agents.len(), MAX_AGENTS);
    problems.at_most("rule", centre.rules.len(), MAX_RULES);
    ids(
        &mut problems,
        "queue",
        centre.queues.iter().map(|q| q.id.as_str()),
    );
    ids(
        &mut problems,
        "agent",
        centre.agents.iter().map(|a| a.id.as_str()),
    );
    ids(
        &mut problems,
        "rule",
        centre.rules.iter().map(|r| r.id.as_str()),
    );
    let queues: BTreeSet<&QueueId> = centre.queues.iter().map(|q| &q.id).collect();
    for (index, declared) in centre.queues.iter().enumerate() {
        let path = format!("queue[{index}]");
        queue(&mut problems, &path, declared);
        overflow::check(&mut problems, &path, declared, &queues);
        call_back::check(&mut problems, &path, declared);
        waiting::check(&mut problems, &path, declared);
    }
    for (index, declared) in centre.agents.iter().enumerate() {
        agent(&mut problems, &format!("agent[{index}]"), declared, &queues);
    }
    let calendars = calendar::check(&mut problems, &centre.calendars);
    let rule_ids = centre.rules.iter().map(|rule| &rule.id).collect();
    ask::check(
        &mut problems,
        &centre.asks,
        (&rule_ids, &queues),
        &calendars,
    );
    menu::check(&mut problems, &centre.menus);
    rules::check(&mut problems, &centre.rules, &queues, &calendars);
    rules::check_menus(&mut problems, &centre.rules, &centre.menus);
    site::check(&mut problems, &centre.sites, &queues);
    offers(&mut problems, centre);
    let ring = centre.phones.ring_seconds;
    problems.range("phones.ring_seconds".into(), ring, 0, MAX_RING_SECONDS);
    problems.into_list()
}

pub(super) fn ids<'a>(problems: &mut Problems, kind: &str, ids: impl Iterator<Item = &'a str>) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, id) in ids.enumerate() {
        let path = format!("{kind}[{index}].id");
        if let Err(error) = id::check(id) {
            problems.add(
                &path,
                format!("`{id}`: {error}"),
                "choose another identifier",
            );
        }
        if let Some(earlier) = first.get(id) {
            problems.add(
                path,
                format!("`{id}` is already the identifier of {kind}[{earlier}]"),
                "give each its own identifier",
            );
        } else {
            first.insert(id, index);
        }
    }
}

fn queue(problems: &mut Problems, path: &str, queue: &Queue) {
    let at = |field: &str| format!("{path}.{field}");
    problems.range(at("ring_seconds"), queue.ring_seconds, 1, MAX_RING_SECONDS);
    problems.range(
        at("max_wait_seconds"),
        queue.max_wait_seconds,
        1,
        DAY_SECONDS,
    );
    problems.range(at("max_length"), queue.max_length, 0, MAX_QUEUE_LENGTH);
    problems.range(
        at("retry_after_seconds"),
        queue.retry_after_seconds,
        0,
        DAY_SECONDS,
    );
    problems.range(at("wrap_up_seconds"), queue.wrap_up_seconds, 0, DAY_SECONDS);
    choice(problems, path, queue);
}

/// The keys that say who is chosen, and when.
fn choice(problems: &mut Problems, path: &str, queue: &Queue) {
    let at = |field: &str| format!("{path}.{field}");
    let (most, points) = (MAX_RING_AT_ONCE, MAX_PRIORITY.unsigned_abs());
    problems.range(at("ring_at_once"), queue.ring_at_once, 2, most);
    let sticky = queue.sticky_seconds.unwrap_or(0);
    problems.range(at("sticky_seconds"), sticky, 0, HOUR_SECONDS);
    let gain = queue.priority_per_minute;
    problems.range(at("priority_per_minute"), gain, 0, points);
    if let Some(level) = queue.service_level {
        let (seconds, percent) = (level.seconds, level.percent);
        problems.range(at("service_level.seconds"), seconds, 1, HOUR_SECONDS);
        problems.range(at("service_level.percent"), percent, 1, 100);
    }
}

fn agent(problems: &mut Problems, path: &str, agent: &Agent, queues: &BTreeSet<&QueueId>) {
    skills(problems, &format!("{path}.skills"), &agent.skills);
    traits::check_agent(problems, path, agent);
    if agent.name.len() > MAX_NAME_BYTES || agent.name.chars().any(char::is_control) {
        problems.add(
            format!("{path}.name"),
            "the name is too long or holds a control character",
            format!("use at most {MAX_NAME_BYTES} bytes of text"),
        );
    }
    for (index, queue) in agent.queues.iter().flatten().enumerate() {
        known(problems, format!("{path}.queues[{index}]"), queue, queues);
    }
    let capacity = format!("{path}.capacity");
    problems.range(capacity, agent.capacity, 1, MAX_CAPACITY);
    media(problems, path, agent);
    for (queue, tier) in &agent.tiers {
        known(problems, format!("{path}.tiers.{queue}"), queue, queues);
        problems.range(format!("{path}.tiers.{queue}"), *tier, 1, MAX_TIER);
    }
    for (queue, weight) in &agent.weights {
        known(problems, format!("{path}.weights.{queue}"), queue, queues);
        problems.range(format!("{path}.weights.{queue}"), *weight, 1, MAX_WEIGHT);
    }
    if let Some(server) = &agent.webhook {
        webhook::check(problems, path, server);
        if agent.password.is_some() || agent.uri.is_some() {
            problems.add(
                format!("{path}.webhook"),
                format!("agent `{}` is a program and has a phone", agent.id),
                "keep one of `webhook`, `password` and `uri`",
            );
        }
        return;
    }
    match (&agent.password, &agent.uri) {
        (None, None) => problems.add(
            path,
            format!("agent `{}` cannot be reached", agent.id),
            "give it a `password`, with which its phone registers, a `uri`, or a `webhook`",
        ),
        (Some(_), Some(_)) => problems.add(
            format!("{path}.uri"),
            format!("agent `{}` has a `password` and a `uri`", agent.id),
            "keep `password` if its phone registers, else `uri`",
        ),
        (Some(password), None) if password.expose().is_empty() => problems.add(
            format!("{path}.password"),
            "the password is empty",
            "choose a long one",
        ),
        (None, Some(uri)) if !plausible(uri) => problems.add(
            format!("{path}.uri"),
            format!("`{uri}` is not a SIP URI"),
            "write it like \"sip:anna@192.0.2.7:5060\"",
        ),
        _ => {}
    }
    if let Some(named) = &agent.digest {
        digest(problems, &format!("{path}.digest"), named, agent);
    }
}

/// What is declared for single media.
fn media(problems: &mut Problems, path: &str, agent: &Agent) {
    for (slot, most) in &agent.capacities {
        let path = format!("{path}.capacities.{slot}");
        match slot {
            Slot::Call => {
                problems.add(path, "that of calls has a key of its own", "use `capacity`")
            }
            _ => problems.range(path, *most, 0, MAX_CAPACITY),
        }
    }
    for (slot, others) in &agent.blocks {
        if others.contains(slot) {
            problems.add(
                format!("{path}.blocks.{slot}"),
                format!("`{slot}` is said to keep itself away"),
                "remove it: how many there may be is what `capacity` and `capacities` say",
            );
        }
    }
}

fn digest(problems: &mut Problems, path: &str, named: &[Digest], agent: &Agent) {
    if named.is_empty() {
        problems.add(
            path,
            format!("no digest is left for the phone of `{}`", agent.id),
            "name \"sha-256\", \"md5\" or both, or remove the key: the control node's setting then holds",
        );
    }
    let repeated = named
        .iter()
        .enumerate()
        .find(|(index, one)| named.iter().take(*index).any(|earlier| earlier == *one));
    if let Some((index, again)) = repeated {
        problems.add(
            format!("{path}[{index}]"),
            format!("`{}` is named twice", again.as_str()),
            "name each digest once, the preferred first",
        );
    }
    if agent.password.is_none() && agent.uri.is_some() {
        problems.add(
            path,
            format!(
                "agent `{}` has a `uri`, so its phone does not register",
                agent.id
            ),
            "remove `digest`, or give a `password` instead of the `uri`",
        );
    }
}

pub(crate) fn plausible(uri: &str) -> bool {
    let lower = uri.to_ascii_lowercase();
    let rest = lower.strip_prefix("sip:").or(lower.strip_prefix("sips:"));
    let clean = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\\' | ' ');
    rest.is_some_and(|rest| {
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        let begins = |c: char| c.is_ascii_alphanumeric() || c == '[';
        host.starts_with(begins) && uri.len() <= MAX_URI_BYTES && uri.chars().all(clean)
    })
}

fn offers(problems: &mut Problems, centre: &Centre) {
    let offers = &centre.offers;
    problems.range(
        "offers.back_off_seconds".into(),
        offers.back_off_seconds,
        1,
        3_600,
    );
    problems.range("offers.skip_seconds".into(), offers.skip_seconds, 1, 3_600);
    problems.range(
        "offers.pause_after_missed".into(),
        offers.pause_after_missed,
        0,
        1_000,
    );
    let log_out = offers.log_out_after_missed;
    problems.range("offers.log_out_after_missed".into(), log_out, 0, 1_000);
    let outside = offers.outside_seconds;
    problems.range("offers.outside_seconds".into(), outside, 10, WEEK_SECONDS);
}

pub(super) fn skills(problems: &mut Problems, path: &str, skills: &BTreeMap<String, u8>) {
    problems.at_most(path, skills.len(), MAX_SKILLS);
    for (skill, level) in skills {
        if let Err(error) = id::check(traits::name_of(skill)) {
            problems.add(
                path,
                format!("skill `{skill}`: {error}"),
                "choose another name",
            );
        }
        problems.range(format!("{path}.{skill}"), *level, 1, MAX_SKILL_LEVEL);
    }
}

pub(super) fn known(
    problems: &mut Problems,
    path: String,
    queue: &QueueId,
    queues: &BTreeSet<&QueueId>,
) {
    if queues.contains(queue) {
        return;
    }
    let names: Vec<&str> = queues.iter().take(10).map(|q| q.as_str()).collect();
    let remedy = match names.is_empty() {
        true => format!("declare it: [[queue]] id = \"{queue}\""),
        false => format!("declare it, or use one of: {}", names.join(", ")),
    };
    problems.add(path, format!("there is no queue `{queue}`"), remedy);
}
