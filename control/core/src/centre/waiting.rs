//! What callers hear who wait, as declared, and its problems.

use super::problems::Problems;
use super::{HandOver, Queue};
use crate::limits::MAX_SAID_PARTS;
use serde::{Deserialize, Serialize};

const HOUR_SECONDS: u32 = 3_600;
/// Shorter pauses leave no music between announcements.
const MIN_EVERY_SECONDS: u32 = 10;
const MAX_SOUND_BYTES: usize = 64;

/// Says the caller's place in the queue.
pub const POSITION: &str = "position";
/// Says how long the caller is expected to wait.
pub const EXPECTED_WAIT: &str = "expected_wait";

/// What callers hear who wait: music, and announcements now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The name of a sound, which is repeated; empty: silence. Default: `music`, which is built in.
    #[serde(default = "defaults::music")]
    pub music: String,
    /// The language of announcements: the name of a folder of sounds. Default: `en`.
    #[serde(default = "defaults::language")]
    pub language: String,
    /// What is announced, in order: `position`, `expected_wait` and names of sounds; at most 8.
    /// Default: both of the first.
    #[serde(default = "defaults::say")]
    pub say: Vec<String>,
    /// How long a caller waits before the first announcement. 0 to 3600, default 10.
    #[serde(default = "defaults::first_seconds")]
    pub first_seconds: u32,
    /// Whether the call is answered when it begins to wait. Networks end calls that are not answered
    /// after some minutes; from the answer on its caller may pay for the call. Default: false, and the
    /// caller hears everything before the answer.
    #[serde(default)]
    pub answer: bool,
    /// From one announcement to the next. 10 to 3600, default 45; 0: there is only one.
    #[serde(default = "defaults::every_seconds")]
    pub every_seconds: u32,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            music: defaults::music(),
            language: defaults::language(),
            answer: false,
            say: defaults::say(),
            first_seconds: defaults::first_seconds(),
            every_seconds: defaults::every_seconds(),
        }
    }
}

pub(super) fn check(problems: &mut Problems, path: &str, queue: &Queue) {
    let Some(waiting) = &queue.waiting else {
        return;
    };
    let at = |field: &str| format!("{path}.waiting.{field}");
    if waiting.answer && queue.hand_over == HandOver::Redirect {
        problems.add(
            at("answer"),
            "a caller whose call is answered cannot be redirected any more",
            "remove `answer`, or `hand_over = \"redirect\"`",
        );
    }
    problems.at_most(at("say"), waiting.say.len(), MAX_SAID_PARTS);
    let said = waiting.say.iter().enumerate();
    let said = said.map(|(index, name)| (at(&format!("say[{index}]")), name));
    let others = [
        (at("language"), &waiting.language),
        (at("music"), &waiting.music),
    ];
    for (path, name) in said.chain(others) {
        sound(problems, path, name);
    }
    let (first, every) = (waiting.first_seconds, waiting.every_seconds);
    problems.range(at("first_seconds"), first, 0, HOUR_SECONDS);
    if every != 0 {
        problems.range(at("every_seconds"), every, MIN_EVERY_SECONDS, HOUR_SECONDS);
    }
}

/// Names are of letters, digits and few signs, so that none leads out of the folder of sounds.
pub(super) fn sound(problems: &mut Problems, path: String, name: &str) {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    let strange = !name.chars().all(good) || name.split('/').any(|part| part.starts_with('.'));
    if strange || name.len() > MAX_SOUND_BYTES {
        problems.add(
            path,
            format!("`{name}` is no name of a sound"),
            format!("use at most {MAX_SOUND_BYTES} letters, digits, `-`, `_`, `.` and `/`"),
        );
    }
}

mod defaults {
    pub fn music() -> String {
        "music".to_owned()
    }
    pub fn language() -> String {
        "en".to_owned()
    }
    pub fn say() -> Vec<String> {
        vec![super::POSITION.to_owned(), super::EXPECTED_WAIT.to_owned()]
    }
    pub fn first_seconds() -> u32 {
        10
    }
    pub fn every_seconds() -> u32 {
        45
    }
}
