//! Finds the problems of what is done with contacts that cannot stay.

use super::problems::Problems;
use super::validate::{known, plausible};
use super::{Overflow, OverflowWhen, Queue};
use crate::id::{self, QueueId};
use crate::limits::{MAX_OVERFLOWS, MAX_SAID_PARTS};
use std::collections::BTreeSet;

const DAY_SECONDS: u32 = 86_400;
const MINUTE_SECONDS: u32 = 60;

pub(super) fn check(
    problems: &mut Problems,
    path: &str,
    queue: &Queue,
    queues: &BTreeSet<&QueueId>,
) {
    let declared = queue.overflow.len();
    problems.at_most(format!("{path}.overflow"), declared, MAX_OVERFLOWS);
    for (index, overflow) in queue.overflow.iter().enumerate() {
        let path = format!("{path}.overflow[{index}]");
        let mut earlier = queue.overflow.iter().take(index);
        if earlier.any(|other| (other.when, other.key) == (overflow.when, overflow.key)) {
            problems.add(
                &path,
                "an earlier one is for the same case",
                "keep one of them",
            );
        }
        after(problems, &path, overflow);
        key(problems, &path, overflow, queue);
        whereto(problems, &path, overflow, queue, queues);
        message(problems, &path, overflow);
    }
}

/// What callers hear whose waiting ends with it.
fn message(problems: &mut Problems, path: &str, overflow: &Overflow) {
    problems.at_most(format!("{path}.say"), overflow.say.len(), MAX_SAID_PARTS);
    let (at, seconds) = (format!("{path}.say_seconds"), overflow.say_seconds);
    problems.range(at, seconds, 1, MINUTE_SECONDS);
    let stays = overflow.redirect.is_none() && overflow.refuse.is_none();
    if stays && !overflow.say.is_empty() {
        problems.add(
            format!("{path}.say"),
            "callers go on waiting, or are called back: they hear what is said there",
            "leave it out, or use `redirect` or `refuse`",
        );
    }
    for (index, name) in overflow.say.iter().enumerate() {
        if let Err(error) = id::check(name) {
            problems.add(
                format!("{path}.say[{index}]"),
                format!("`{name}`: {error}"),
                "write the name of a sound without `.wav`",
            );
        }
    }
}

fn after(problems: &mut Problems, path: &str, overflow: &Overflow) {
    let path = format!("{path}.after_seconds");
    match (overflow.when, overflow.after_seconds) {
        (OverflowWhen::Waited, Some(seconds)) => problems.range(path, seconds, 1, DAY_SECONDS),
        (OverflowWhen::Waited, None) => problems.add(
            path,
            "it is not said how long they wait",
            "add after_seconds, such as after_seconds = 60",
        ),
        (OverflowWhen::Full | OverflowWhen::NoAgents | OverflowWhen::Pressed, Some(_)) => {
            problems.add(path, "it is for `when = \"waited\"` alone", "remove it")
        }
        (OverflowWhen::Full | OverflowWhen::NoAgents | OverflowWhen::Pressed, None) => {}
    }
}

fn key(problems: &mut Problems, path: &str, overflow: &Overflow, queue: &Queue) {
    let pressed = overflow.when == OverflowWhen::Pressed;
    let path = format!("{path}.key");
    match overflow.key {
        None if pressed => problems.add(
            path,
            "it is not said which key",
            "add one, such as key = \"1\"",
        ),
        Some(_) if !pressed => {
            problems.add(path, "it is for `when = \"pressed\"` alone", "remove it");
        }
        Some(key) if !matches!(key, '0'..='9' | '*' | '#') => problems.add(
            path,
            format!("`{key}` is not a key of a phone"),
            "use 0 to 9, * or #",
        ),
        Some(_) if queue.waiting.is_none() => problems.add(
            path,
            "callers of this queue hear nothing, and their keys are not listened to",
            "add waiting = {} to the queue",
        ),
        Some(_) | None => {}
    }
}

fn whereto(
    problems: &mut Problems,
    path: &str,
    overflow: &Overflow,
    queue: &Queue,
    queues: &BTreeSet<&QueueId>,
) {
    match (&overflow.queue, &overflow.redirect, overflow.refuse) {
        (None, None, None) if overflow.call_back => {}
        _ if overflow.call_back => problems.add(
            path,
            "`call_back` stands beside another place to go",
            "keep one of them",
        ),
        (Some(to), None, None) if *to == queue.id => problems.add(
            format!("{path}.queue"),
            "it is the queue itself",
            "name another one",
        ),
        (Some(to), None, None) => known(problems, format!("{path}.queue"), to, queues),
        (None, Some(uri), None) if !plausible(uri) => problems.add(
            format!("{path}.redirect"),
            format!("`{uri}` is not a SIP URI"),
            "write it like \"sip:voicemail@example.com\"",
        ),
        (None, Some(_), None) => {}
        (None, None, Some(status)) => {
            problems.range(format!("{path}.refuse"), status, 400, 699);
        }
        _ => problems.add(
            path,
            "one of `queue`, `redirect`, `call_back` and `refuse` must be given, and one alone",
            "say where the contacts go",
        ),
    }
}
