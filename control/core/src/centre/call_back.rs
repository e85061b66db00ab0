//! What a queue promises to customers who want to be called (requirement E5).

use super::Queue;
use super::problems::Problems;
use super::waiting::sound;
use crate::limits::{
    MAX_CALL_BACK_AHEAD_S, MAX_CALL_BACK_ATTEMPTS, MAX_CALL_BACKS, MAX_SAID_PARTS,
};
use serde::{Deserialize, Serialize};

const DAY_SECONDS: u32 = 86_400;
/// Longest time for which a phone of a customer may ring.
const MAX_RING_SECONDS: u32 = 180;
/// Longest time for which the caller hears that it will be called.
const MAX_GOODBYE_SECONDS: u32 = 30;

/// `[queue.call_back]`: customers may ask to be called. They keep the place that they would have had
/// on the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallBacks {
    /// How many customers may be promised a call at a time. 1 to 10000, default 100.
    pub at_most: u32,
    /// How far ahead the time may be that a customer asks for. 0 to 2592000 (30 days), default a week.
    pub ahead_seconds: u32,
    /// How long after its time a call-back waits for an agent. 60 to 2592000, default a day.
    pub keep_seconds: u32,
    /// How many times a customer who does not answer is called. 1 to 10, default 3.
    pub attempts: u32,
    /// How long after such a call the next one is made. 1 to 86400, default 600.
    pub retry_seconds: u32,
    /// How long the customer's phone may ring. 1 to 180, default 60.
    pub answer_seconds: u32,
    /// What callers hear who asked for it by a key, before they are let go: names of sounds. Default:
    /// `goodbye`.
    pub say: Vec<String>,
    /// How long they hear that. 0 to 30, default 3.
    pub say_seconds: u32,
}

impl Default for CallBacks {
    fn default() -> Self {
        Self {
            at_most: 100,
            ahead_seconds: 7 * DAY_SECONDS,
            keep_seconds: DAY_SECONDS,
            attempts: 3,
            retry_seconds: 600,
            answer_seconds: 60,
            say: vec!["goodbye".to_owned()],
            say_seconds: 3,
        }
    }
}

pub(super) fn check(problems: &mut Problems, path: &str, queue: &Queue) {
    let Some(declared) = &queue.call_back else {
        return overflows(problems, path, queue);
    };
    let at = |field: &str| format!("{path}.call_back.{field}");
    problems.range(at("at_most"), declared.at_most, 1, MAX_CALL_BACKS);
    let ahead = MAX_CALL_BACK_AHEAD_S;
    problems.range(at("ahead_seconds"), declared.ahead_seconds, 0, ahead);
    problems.range(at("keep_seconds"), declared.keep_seconds, 60, ahead);
    let attempts = declared.attempts;
    problems.range(at("attempts"), attempts, 1, MAX_CALL_BACK_ATTEMPTS);
    problems.range(at("retry_seconds"), declared.retry_seconds, 1, DAY_SECONDS);
    let rings = declared.answer_seconds;
    problems.range(at("answer_seconds"), rings, 1, MAX_RING_SECONDS);
    problems.at_most(at("say"), declared.say.len(), MAX_SAID_PARTS);
    for (index, name) in declared.say.iter().enumerate() {
        sound(problems, at(&format!("say[{index}]")), name);
    }
    let said = declared.say_seconds;
    problems.range(at("say_seconds"), said, 0, MAX_GOODBYE_SECONDS);
}

/// Nobody can be promised what the queue does not do.
fn overflows(problems: &mut Problems, path: &str, queue: &Queue) {
    for (index, overflow) in queue.overflow.iter().enumerate() {
        if overflow.call_back {
            problems.add(
                format!("{path}.overflow[{index}].call_back"),
                "the queue makes no call-backs",
                "add call_back = {} to the queue",
            );
        }
    }
}
