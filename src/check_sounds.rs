//! What callers would not hear: sounds and prompts that a declaration names and a relay does not have.

use std::path::Path;

use anyhow::Result;
use patchbay_core::Centre;
use patchbay_core::centre::{EXPECTED_WAIT, POSITION, Waiting};
use patchbay_relay::audio::Library;

use crate::config::problem::Fault;

/// Names of missing prompts that one warning lists; the others are counted.
const MAX_NAMED: usize = 5;

/// The sounds of a relay with this folder; the built-in ones without.
///
/// # Errors
/// If the folder holds something that cannot be used: the relay would not start.
pub fn library(folder: Option<&Path>) -> Result<Library> {
    Ok(match folder {
        Some(folder) => Library::load(folder)?,
        None => Library::builtin(),
    })
}

/// What the callers of a centre would not hear, each with its path in the declaration.
pub fn missing(centre: &Centre, library: &Library) -> Vec<(String, Fault)> {
    let queues = centre.queues.iter().enumerate();
    let waiting = queues.filter_map(|(at, queue)| Some((at, queue, queue.waiting.as_ref()?)));
    let mut found = Vec::new();
    for (at, queue, waiting) in waiting {
        let path = format!("queue[{at}].waiting");
        if !waiting.music.is_empty() && library.get(&waiting.music).is_none() {
            let what = format!(
                "there is no sound `{}`, and callers hear silence",
                waiting.music
            );
            let remedy = format!(
                "put {}.wav into the relay's folder of sounds",
                waiting.music
            );
            found.push((format!("{path}.music"), Fault::new(what, remedy)));
        }
        found.extend(language(waiting, library).map(|fault| (format!("{path}.language"), fault)));
        let composed = |name: &String| [POSITION, EXPECTED_WAIT].contains(&name.as_str());
        let said = waiting.say.iter().enumerate();
        let said = said.filter(|(_, name)| !composed(name));
        let said = said.map(|(index, name)| (format!("{path}.say[{index}]"), name));
        let parting = queue
            .call_back
            .iter()
            .flat_map(|it| it.say.iter().enumerate());
        let parting =
            parting.map(|(index, name)| (format!("queue[{at}].call_back.say[{index}]"), name));
        for (path, name) in said.chain(parting) {
            found.extend(unsaid(name, &waiting.language, library).map(|fault| (path, fault)));
        }
    }
    for (at, queue) in centre.queues.iter().enumerate() {
        let waiting = queue.waiting.clone().unwrap_or_default();
        for (which, overflow) in queue.overflow.iter().enumerate() {
            for (index, name) in overflow.say.iter().enumerate() {
                let path = format!("queue[{at}].overflow[{which}].say[{index}]");
                let fault = unsaid(name, &waiting.language, library);
                found.extend(fault.map(|fault| (path, fault)));
            }
        }
    }
    for (at, menu) in centre.menus.iter().enumerate() {
        for (index, name) in menu.say.iter().enumerate() {
            let fault = unsaid(name, &menu.language, library);
            found.extend(fault.map(|fault| (format!("menu[{at}].say[{index}]"), fault)));
        }
    }
    found
}

fn unsaid(name: &str, language: &str, library: &Library) -> Option<Fault> {
    let of_language = format!("{language}/{name}");
    let there = library.get(&of_language).or(library.get(name)).is_some();
    (!there).then(|| {
        let what = format!("there is no sound `{name}`, and it is left out");
        let remedy = format!("put {of_language}.wav into the relay's folder of sounds");
        Fault::new(what, remedy)
    })
}

/// A language that is not complete is not spoken at all.
fn language(waiting: &Waiting, library: &Library) -> Option<Fault> {
    let composed = |name: &String| [POSITION, EXPECTED_WAIT].contains(&name.as_str());
    let missing = library.missing(&waiting.language);
    if missing.is_empty() || !waiting.say.iter().any(composed) {
        return None;
    }
    let named: Vec<&str> = missing.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = match missing.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!(
        "`{}` lacks prompts ({}{more}), and callers hear English",
        waiting.language,
        named.join(", ")
    );
    let complete: Vec<&str> = library.languages().collect();
    let remedy = format!(
        "complete it with scripts/make-prompts, or use one of: {}",
        complete.join(", ")
    );
    Some(Fault::new(what, remedy))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(waiting: &str) -> Vec<(String, String)> {
        let text = format!("[[queue]]\nid = \"q\"\n[queue.waiting]\n{waiting}");
        let centre: Centre = toml::from_str(&text).unwrap();
        let found = missing(&centre, &Library::builtin()).into_iter();
        found.map(|(path, fault)| (path, fault.what)).collect()
    }

    // D14 F4
    #[test]
    fn only_what_would_not_be_heard_is_told() {
        assert_eq!(found("say = [\"position\", \"expected_wait\"]"), []);
        assert_eq!(
            found("language = \"de\"\nsay = [\"position\", \"chime\"]"),
            []
        );
        assert_eq!(
            found("music = \"\"\nlanguage = \"fr\"\nsay = []"),
            [],
            "nothing is said"
        );
        let parting = found("[queue.call_back]\nsay = [\"bye-bye\", \"goodbye\"]");
        assert_eq!(parting.len(), 1, "{parting:?}");
        assert_eq!(parting[0].0, "queue[0].call_back.say[0]");
        let all = found("music = \"waltz\"\nlanguage = \"fr\"\nsay = [\"position\", \"sorry\"]");
        let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
        let at = |end: &str| format!("queue[0].waiting.{end}");
        assert_eq!(paths, [at("music"), at("language"), at("say[1]")]);
        assert!(all[1].1.contains("`fr` lacks prompts (") && all[1].1.contains(" more)"));
        assert_eq!(
            all[2],
            (
                at("say[1]"),
                "there is no sound `sorry`, and it is left out".into()
            )
        );
    }
}
