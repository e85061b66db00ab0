//! Menus that callers choose from (requirement D15): their declaration.

use super::problems::Problems;
use super::validate::ids;
use super::waiting::sound;
use crate::id::{self, MenuId};
use crate::limits::{MAX_CHOICES, MAX_MENUS, MAX_SAID_PARTS};
use serde::{Deserialize, Serialize};

const MAX_TITLE_BYTES: usize = 256;

/// A menu: callers hear what they can choose and press a key, and the rules look at them once more, with
/// what they chose. So a choice may open a finer menu. Each contact is asked once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Menu {
    /// Its identifier, by which rules name it and see what was chosen: `when = { answer = { … } }`.
    pub id: MenuId,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What is said, in order: names of sounds.
    pub say: Vec<String>,
    /// The language of what is said: the name of a folder of sounds. Default: `en`.
    #[serde(default = "defaults::language")]
    pub language: String,
    /// What is heard between: the name of a sound; empty: silence. Default: `music`.
    #[serde(default = "defaults::music")]
    pub music: String,
    /// Whether the call is answered before. Default: false, and the caller hears everything before the
    /// answer.
    #[serde(default)]
    pub answer: bool,
    /// How long after the beginning of what is said a key is waited for. 3 to 60, default 10.
    #[serde(default = "defaults::seconds")]
    pub seconds: u32,
    /// How many times it is said. 1 to 5, default 2.
    #[serde(default = "defaults::times")]
    pub times: u32,
    /// The key that begins the menu anew, also its `times`: `0` to `9`, `*` or `#`, and of no choice.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<char>,
    /// What counts as chosen by who presses nothing, and by who cannot hear it. Default: nothing, and who
    /// presses nothing is refused with 480.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What there is to choose.
    #[serde(rename = "choice")]
    pub choices: Vec<Choice>,
}

/// One thing to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The key that is pressed: `0` to `9`, `*` or `#`.
    pub key: char,
    /// The word by which rules know it.
    pub answer: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

impl Menu {
    /// What a key chooses.
    pub fn chosen_by(&self, key: char) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.key == key)
    }

    /// Whether a word is one that can be chosen.
    pub fn has(&self, answer: &str) -> bool {
        self.choices.iter().any(|choice| choice.answer == answer)
    }
}

pub(super) fn check(problems: &mut Problems, menus: &[Menu]) {
    problems.at_most("menu", menus.len(), MAX_MENUS);
    ids(problems, "menu", menus.iter().map(|menu| menu.id.as_str()));
    for (index, menu) in menus.iter().enumerate() {
        one(problems, &format!("menu[{index}]"), menu);
    }
}

fn one(problems: &mut Problems, path: &str, menu: &Menu) {
    let at = |field: &str| format!("{path}.{field}");
    title(problems, at("title"), &menu.title);
    problems.at_most(at("say"), menu.say.len(), MAX_SAID_PARTS);
    for (index, name) in menu.say.iter().enumerate() {
        sound(problems, at(&format!("say[{index}]")), name);
    }
    sound(problems, at("language"), &menu.language);
    sound(problems, at("music"), &menu.music);
    problems.range(at("seconds"), menu.seconds, 3, 60);
    problems.range(at("times"), menu.times, 1, 5);
    problems.at_most(at("choice"), menu.choices.len(), MAX_CHOICES);
    if menu.choices.is_empty() {
        problems.add(
            at("choice"),
            "there is nothing to choose",
            "add [[menu.choice]] with key and answer",
        );
    }
    if let Some(answer) = menu.default.as_ref().filter(|answer| !menu.has(answer)) {
        problems.add(
            at("default"),
            format!("`{answer}` is no answer of the menu"),
            "use the answer of one of its choices",
        );
    }
    if let Some(key) = menu.repeat {
        let taken = menu.chosen_by(key).is_some();
        self::key(problems, at("repeat"), key, taken);
    }
    for (index, choice) in menu.choices.iter().enumerate() {
        let earlier = menu.choices.iter().take(index);
        let twice = earlier.clone().any(|one| one.key == choice.key);
        self::choice(problems, &at(&format!("choice[{index}]")), choice, twice);
        if earlier.clone().any(|one| one.answer == choice.answer) {
            let message = format!("`{}` is already the answer of another one", choice.answer);
            let path = at(&format!("choice[{index}].answer"));
            problems.add(path, message, "give each its own");
        }
    }
}

fn choice(problems: &mut Problems, path: &str, choice: &Choice, twice: bool) {
    key(problems, format!("{path}.key"), choice.key, twice);
    if choice.answer.contains('.') {
        let message = format!(
            "`{}`: dots stand between the words of a link",
            choice.answer
        );
        problems.add(format!("{path}.answer"), message, "choose another word");
    }
    if let Err(error) = id::check(&choice.answer) {
        let message = format!("`{}`: {error}", choice.answer);
        problems.add(format!("{path}.answer"), message, "choose another word");
    }
    title(problems, format!("{path}.title"), &choice.title);
}

fn key(problems: &mut Problems, path: String, key: char, taken: bool) {
    if taken || !matches!(key, '0'..='9' | '*' | '#') {
        problems.add(
            path,
            format!("`{key}` is no key of a phone, or was used before"),
            "use 0 to 9, * or #, each once",
        );
    }
}

fn title(problems: &mut Problems, path: String, title: &str) {
    if title.len() > MAX_TITLE_BYTES || title.chars().any(char::is_control) {
        problems.add(
            path,
            "the title is too long or holds a control character",
            format!("use at most {MAX_TITLE_BYTES} bytes of text"),
        );
    }
}

mod defaults {
    pub fn language() -> String {
        "en".to_owned()
    }
    pub fn music() -> String {
        "music".to_owned()
    }
    pub fn seconds() -> u32 {
        10
    }
    pub fn times() -> u32 {
        2
    }
}
