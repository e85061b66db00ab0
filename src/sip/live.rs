//! Calls while they go on: each message is a row as it comes.

use std::collections::HashMap;

use patchbay_route::trace::TracedMessage;

use super::ladder::{Columns, Look, title};
use super::story::Story;

/// Calls that are told apart; with more, all begin anew.
const MOST_CALLS: usize = 20_000;
/// Steps of a call in which repetitions are looked for.
const STEPS_KEPT: usize = 512;

/// Calls under way.
pub struct Live {
    look: Look,
    calls: HashMap<(String, String), Telling>,
    /// Whose row was the last.
    last: Option<(String, String)>,
}

#[derive(Default)]
struct Telling {
    story: Story,
    began: u64,
    before: Option<u64>,
    shown: usize,
}

impl Live {
    pub fn new(look: Look) -> Live {
        Live {
            look,
            calls: HashMap::new(),
            last: None,
        }
    }

    /// What is to be said of a message.
    pub fn message(&mut self, message: &TracedMessage) -> String {
        if self.calls.len() >= MOST_CALLS {
            self.calls.clear();
        }
        let key = (message.relay.clone(), message.call.clone());
        let other = self.last.as_ref() != Some(&key);
        let mut text = match other && self.last.is_some() {
            true => "\n".to_owned(),
            false => String::new(),
        };
        let telling = self.calls.entry(key.clone()).or_default();
        self.last = Some(key);
        let mut step = telling.story.add(message).clone();
        // A repetition has its own time.
        step.at_unix_us = message.at_unix_us;
        if telling.before.is_none() {
            telling.began = message.at_unix_us;
        }
        let columns = Columns::of(&telling.story, self.look);
        if other {
            text.push_str(&title(&telling.story, self.look.paint));
        }
        let parties = telling.story.parties.len();
        if other || parties != telling.shown {
            text.push_str(&columns.head(&telling.story, self.look.paint));
            telling.shown = parties;
        }
        let times = (telling.began, telling.before);
        text.push_str(&columns.row(&step, times, self.look));
        telling.before = Some(message.at_unix_us);
        let steps = &mut telling.story.steps;
        if steps.len() > STEPS_KEPT {
            steps.drain(1..STEPS_KEPT / 2);
        }
        text
    }
}
