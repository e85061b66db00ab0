//! Languages and places of agents: what contacts ask of an agent beside its skills, and in the same way. A
//! language `fr` counts as the skill `language:fr` and a place `berlin` as `site:berlin`, so that they are
//! relaxed, asked of other centres and explained like skills.

use super::problems::Problems;
use super::{Agent, Centre, Then};
use crate::id;
use crate::limits::{MAX_LANGUAGES, MAX_SKILL_LEVEL};
use std::collections::BTreeMap;

const LANGUAGE: &str = "language:";
const SITE: &str = "site:";

/// What a contact must find.
const ASKED: u8 = 1;

impl Centre {
    /// The same centre with its languages and places written as skills.
    #[must_use]
    pub fn with_traits(mut self) -> Self {
        for agent in &mut self.agents {
            agent.skills = agent.has();
        }
        for rule in &mut self.rules {
            rule.then.skills = rule.then.asked();
        }
        self
    }
}

impl Agent {
    /// Its skills, and with them its languages and its place. Who speaks `de-CH` speaks `de`.
    pub fn has(&self) -> BTreeMap<String, u8> {
        let mut has = self.skills.clone();
        for language in &self.languages {
            let tag = language.to_ascii_lowercase();
            let ends = tag.match_indices('-').map(|(at, _)| at);
            for end in ends.chain([tag.len()]) {
                let name = tag.get(..end).unwrap_or_default();
                add(&mut has, LANGUAGE, name, MAX_SKILL_LEVEL);
            }
        }
        if let Some(site) = &self.site {
            add(&mut has, SITE, site, MAX_SKILL_LEVEL);
        }
        has
    }
}

impl Then {
    /// The skills that it asks for, and with them the language and the place.
    pub fn asked(&self) -> BTreeMap<String, u8> {
        let mut asked = self.skills.clone();
        if let Some(language) = &self.language {
            add(&mut asked, LANGUAGE, &language.to_ascii_lowercase(), ASKED);
        }
        if let Some(site) = &self.site {
            add(&mut asked, SITE, site, ASKED);
        }
        asked
    }
}

/// What is said of it in so many words counts more.
fn add(skills: &mut BTreeMap<String, u8>, kind: &str, name: &str, level: u8) {
    skills.entry(format!("{kind}{name}")).or_insert(level);
}

/// The part of a skill's name that has to be an identifier.
pub(super) fn name_of(skill: &str) -> &str {
    let kinds = [LANGUAGE, SITE];
    let named = kinds.iter().find_map(|kind| skill.strip_prefix(kind));
    named.unwrap_or(skill)
}

pub(super) fn check_agent(problems: &mut Problems, path: &str, agent: &Agent) {
    let at = format!("{path}.languages");
    problems.at_most(&at, agent.languages.len(), MAX_LANGUAGES);
    for (index, language) in agent.languages.iter().enumerate() {
        language_tag(problems, &format!("{at}[{index}]"), language);
    }
    place(problems, path, agent.site.as_deref());
}

pub(super) fn check_then(problems: &mut Problems, path: &str, then: &Then) {
    if let Some(language) = &then.language {
        language_tag(problems, &format!("{path}.language"), language);
    }
    place(problems, path, then.site.as_deref());
}

/// As RFC 5646 section 2.1 writes them, as far as that matters for comparing them.
fn language_tag(problems: &mut Problems, path: &str, tag: &str) {
    let part = |part: &str| {
        let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (1..=8).contains(&part.len()) && plain
    };
    if !tag.split('-').all(part) {
        problems.add(
            path,
            format!("`{tag}` is not a language tag"),
            "write it like \"de\", \"pt-BR\" or \"zh-Hant\"",
        );
    }
}

fn place(problems: &mut Problems, path: &str, site: Option<&str>) {
    if let Some(Err(error)) = site.map(id::check) {
        problems.add(
            format!("{path}.site"),
            error.to_string(),
            "choose another name",
        );
    }
}
