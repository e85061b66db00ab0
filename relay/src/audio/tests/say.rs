//! Sentences by the names of their clips, in both grammars.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audio::{Library, MAX_SAID, Saying};

/// The names of the clips that are said, without the language that each of them must be of.
fn said(library: &Library, language: &str, what: &[Saying]) -> String {
    let name = |clip: Arc<Clip>| {
        let found = library
            .names()
            .find(|name| Arc::ptr_eq(&library.get(name).unwrap(), &clip));
        let name = found.unwrap();
        name.strip_prefix(&format!("{language}/"))
            .unwrap_or(name)
            .to_owned()
    };
    let names: Vec<String> = library.say(language, what).into_iter().map(name).collect();
    names.join(" ")
}

fn position(language: &str, place: u32) -> String {
    said(&Library::builtin(), language, &[Saying::Position(place)])
}

fn wait(language: &str, seconds: u64) -> String {
    let what = [Saying::ExpectedWait(Duration::from_secs(seconds))];
    said(&Library::builtin(), language, &what)
}

#[test]
fn a_place_in_the_queue_is_said_in_english() {
    for (place, expected) in [
        (0, "next"),
        (1, "next"),
        (3, "position 3 in-queue"),
        (20, "position 20 in-queue"),
        (23, "position 20 3 in-queue"),
        (90, "position 90 in-queue"),
        (99, "position 90 9 in-queue"),
        (100, "more-than-99"),
        (u32::MAX, "more-than-99"),
    ] {
        assert_eq!(position("en", place), expected, "{place}");
    }
}

#[test]
fn a_place_in_the_queue_is_said_in_german_units_first() {
    for (place, expected) in [
        (1, "next"),
        (3, "position 3 in-queue"),
        (12, "position 12 in-queue"),
        (21, "position 1-and 20 in-queue"),
        (23, "position 3-and 20 in-queue"),
        (30, "position 30 in-queue"),
        (99, "position 9-and 90 in-queue"),
        (100, "more-than-99"),
    ] {
        assert_eq!(position("de", place), expected, "{place}");
    }
}

#[test]
fn an_expected_wait_is_rounded_to_minutes() {
    for (seconds, expected) in [
        (0, "less-than-minute"),
        (59, "less-than-minute"),
        (60, "wait minute"),
        (89, "wait minute"),
        (90, "wait 2 minutes"),
        (240, "wait 4 minutes"),
        (23 * 60, "wait 20 3 minutes"),
        (3_600, "wait 60 minutes"),
        (3_601, "more-than-hour"),
        (u64::MAX, "more-than-hour"),
    ] {
        assert_eq!(wait("en", seconds), expected, "{seconds}");
    }
    assert_eq!(wait("de", 23 * 60), "wait 3-and 20 minutes");
}

#[test]
fn every_number_to_ninety_nine_can_be_said_in_each_language() {
    let library = Library::builtin();
    for language in library.languages() {
        for number in 1..=99 {
            let words = library.number(language, number).unwrap().len();
            assert_eq!(
                words,
                if number <= 20 || number % 10 == 0 {
                    1
                } else {
                    2
                }
            );
        }
    }
}

#[test]
fn an_unknown_language_is_english() {
    let library = Library::builtin();
    for language in ["fr", "", "en/", "../en", "deutsch"] {
        let what = [Saying::Position(21)];
        assert_eq!(library.say(language, &what), library.say("en", &what));
    }
}

#[test]
fn a_text_is_a_clip_of_the_language_or_else_of_that_name() {
    let library = Library::builtin();
    let text = |name: &str| [Saying::Text(name.into())];
    assert_eq!(said(&library, "de", &text("goodbye")), "goodbye");
    assert_eq!(said(&library, "de", &text("chime")), "chime");
    assert_eq!(said(&library, "de", &text("en/goodbye")), "en/goodbye");
    assert_eq!(said(&library, "de", &text("nobody knows it")), "");
}

#[test]
fn sayings_have_a_pause_between_them() {
    let what = [
        Saying::Text("nobody knows it".into()),
        Saying::Text("chime".into()),
        Saying::Position(3),
        Saying::Text("nobody knows it".into()),
        Saying::ExpectedWait(Duration::from_secs(240)),
    ];
    assert_eq!(
        said(&Library::builtin(), "en", &what),
        "chime pause position 3 in-queue pause wait 4 minutes"
    );
}

#[test]
fn no_more_is_said_than_the_limit_and_no_sentence_is_cut() {
    let library = Library::builtin();
    let what = vec![Saying::Position(55); 1_000];
    let said = library.say("de", &what);
    // Five clips a sentence with its pause: six sentences, less the pause before the first.
    assert_eq!(said.len(), 29);
    // One clip a sentence: to the limit, and not beyond it.
    let said = library.say("de", &vec![Saying::Text("chime".into()); 1_000]);
    assert_eq!(said.len(), 31);
    assert!(said.len() <= MAX_SAID);
    assert!(library.say("de", &[]).is_empty());
}
