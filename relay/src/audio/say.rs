//! Sentences composed of prompts, by a grammar that the files of a language tell.

use std::sync::Arc;
use std::time::Duration;

use super::{Clip, Library};

/// What is said where a language is unknown or incomplete. The library always has it.
pub const FALLBACK_LANGUAGE: &str = "en";
/// The most clips that [`Library::say`] gives at once.
pub const MAX_SAID: usize = 32;
/// The clip that stands between two sentences.
const PAUSE: &str = "pause";
/// The largest number that is composed of words.
pub(super) const MAX_NUMBER: u32 = 99;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// One thing to say to a caller who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// The caller's place in the queue. 1 (and 0) is "You are next."; beyond 99 it is said that there are more.
    Position(u32),
    /// How long it will take, said in minutes, rounded, from one minute to an hour; else "less than one minute"
    /// or "more than one hour".
    ExpectedWait(Duration),
    /// A clip by its name: that of the language (`de/closed` for `closed`), else the one of just that name. A
    /// name that no clip has is not said.
    Text(String),
}

impl Library {
    /// The clips that say `what` in a language, in order, with a short pause between two sayings. A language
    /// that is not among [`Library::languages`] is [`FALLBACK_LANGUAGE`]. Sayings that would make it more than
    /// [`MAX_SAID`] clips are left out from there on, whole.
    #[must_use]
    pub fn say(&self, language: &str, what: &[Saying]) -> Vec<Arc<Clip>> {
        let known = self.languages().any(|known| known == language);
        let language = if known { language } else { FALLBACK_LANGUAGE };
        let mut said = Vec::new();
        for saying in what {
            let sentence = self.sentence(language, saying);
            if said.len() + 1 + sentence.len() > MAX_SAID {
                break;
            }
            if !said.is_empty() && !sentence.is_empty() {
                said.extend(self.get(PAUSE));
            }
            said.extend(sentence);
        }
        said
    }

    fn sentence(&self, language: &str, saying: &Saying) -> Vec<Arc<Clip>> {
        let prompt = |name: &str| self.get(&format!("{language}/{name}"));
        let counted = |number: u32, before: Option<&str>, after: &str| {
            let number = self.number(language, number).into_iter().flatten();
            let before = before.and_then(prompt).into_iter();
            before.chain(number).chain(prompt(after)).collect()
        };
        match saying {
            Saying::Position(0 | 1) => prompt("next").into_iter().collect(),
            Saying::Position(place @ ..=MAX_NUMBER) => {
                counted(*place, Some("position"), "in-queue")
            }
            Saying::Position(_) => prompt("more-than-99").into_iter().collect(),
            Saying::ExpectedWait(wait) if *wait < MINUTE => {
                prompt("less-than-minute").into_iter().collect()
            }
            Saying::ExpectedWait(wait) if *wait > HOUR => {
                prompt("more-than-hour").into_iter().collect()
            }
            Saying::ExpectedWait(wait) => match (wait.as_secs() + 30) / 60 {
                1 => [prompt("wait"), prompt("minute")]
                    .into_iter()
                    .flatten()
                    .collect(),
                minutes => counted(minutes as u32, Some("wait"), "minutes"),
            },
            Saying::Text(name) => prompt(name)
                .or_else(|| self.get(name))
                .into_iter()
                .collect(),
        }
    }

    /// A number from 1 to 99: a clip of its own, else of two words. A language that has `3-and` ("dreiund")
    /// says it before the tens, others say the tens first. None if a word is missing.
    pub(super) fn number(&self, language: &str, number: u32) -> Option<Vec<Arc<Clip>>> {
        let word = |name: String| self.get(&format!("{language}/{name}"));
        if let Some(whole) = word(number.to_string()) {
            return Some(vec![whole]);
        }
        let unit = number % 10;
        let tens = word((number - unit).to_string())?;
        Some(match word(format!("{unit}-and")) {
            Some(unit) => vec![unit, tens],
            None => vec![tens, word(unit.to_string())?],
        })
    }
}
