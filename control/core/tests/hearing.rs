//! What callers hear who wait, and the keys that they press.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::{
    ContactId, Facts, Input, OfferFailure, Output, RefuseReason, Status, What, validate,
};
use patchbay_route::waiting::{Part, Say};

/// Queue `a` with these keys and one agent, who is in a call; and queue `b` with nobody.
fn busy(keys: &str) -> Desk {
    let mut desk = Desk::new(&format!(
        r#"
queue = [
  {{ id = "a", max_wait_seconds = 600, {keys} }},
  {{ id = "b", max_wait_seconds = 600, when_no_agents = "wait", waiting = {{ music = "other", language = "de", say = ["position"] }} }},
]
agent = [{{ id = "anna", uri = "sip:a@192.0.2.1", queues = ["a"] }}]
rule = [{{ id = "all", then = {{ queue = "a" }} }}]
"#
    ));
    desk.call_as(1, call_to("a"));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
    desk
}

fn heard(desk: &mut Desk) -> Vec<Output> {
    let (heard, rest) = std::mem::take(&mut desk.said)
        .into_iter()
        .partition(|output| matches!(output, Output::Hear { .. } | Output::Say { .. }));
    desk.said = rest;
    heard
}

fn music(contact: u64) -> Output {
    Output::Hear {
        contact: ContactId(contact),
        music: "music".into(),
        language: "en".into(),
        answer: false,
    }
}

fn say(contact: u64, parts: Vec<Part>) -> Output {
    Output::Say {
        contact: ContactId(contact),
        say: Say {
            parts,
            ..Say::default()
        },
    }
}

fn press(desk: &mut Desk, contact: u64, key: char) {
    desk.tell(Input::ContactPressed {
        contact: ContactId(contact),
        key,
    });
}

// D14
#[test]
fn who_waits_hears_music_and_now_and_then_the_position() {
    let mut desk = busy(
        "waiting = { say = [\"thanks\", \"position\"], first_seconds = 5, every_seconds = 20 }",
    );
    desk.call_as(2, call_to("a"));
    desk.call_as(3, call_to("a"));
    assert_eq!(heard(&mut desk), [music(2), music(3)]);
    let thanks = || Part::Recording("thanks".into());
    desk.pass(5_000);
    let both = [
        say(2, vec![thanks(), Part::Position(1)]),
        say(3, vec![thanks(), Part::Position(2)]),
    ];
    assert_eq!(heard(&mut desk), both);
    desk.tell(Input::ContactCancelled {
        contact: ContactId(2),
    });
    desk.pass(20_000);
    assert_eq!(
        heard(&mut desk),
        [say(3, vec![thanks(), Part::Position(1)])],
        "who is gone hears nothing, and the next has moved up"
    );
}

// D14 G9
#[test]
fn the_expected_wait_is_said_once_it_is_known() {
    let mut desk = busy("waiting = { say = [\"expected_wait\"], every_seconds = 10 }");
    desk.call_as(2, call_to("a"));
    heard(&mut desk);
    desk.pass(10_000);
    let expected = desk.snapshot().queues[0].waiting[0].expected_ms;
    let said = heard(&mut desk);
    match expected {
        None => assert_eq!(said, []),
        Some(ms) => assert_eq!(said, [say(2, vec![Part::ExpectedWait(ms / 1000)])]),
    }
}

// D14
#[test]
fn nothing_is_heard_where_nothing_is_declared_or_nobody_listens() {
    let mut desk = busy("max_length = 9");
    desk.call_as(2, call_to("a"));
    desk.pass(60_000);
    assert_eq!(heard(&mut desk), []);
    press(&mut desk, 2, '1');
    assert_eq!(desk.distributor.counters().dropped_late, 1);

    let mut desk = busy("waiting = {}");
    let mut facts = call_to("a");
    facts.media[0].kind = "video".into();
    facts.media[0].codecs = vec!["H264".into()];
    desk.call_as(2, Facts { ..facts });
    assert_eq!(heard(&mut desk), []);
}

// D14
#[test]
fn a_key_leads_where_it_says() {
    let keys = "waiting = { every_seconds = 0 }, overflow = [\
        { when = \"pressed\", key = \"1\", queue = \"b\" },\
        { when = \"pressed\", key = \"2\", redirect = \"sip:mail@example.com\" },\
        { when = \"pressed\", key = \"#\", refuse = 486 }]";
    let mut desk = busy(keys);
    for contact in 2..=5 {
        desk.call_as(contact, call_to("a"));
    }
    heard(&mut desk);
    desk.said.clear();
    press(&mut desk, 2, '9');
    press(&mut desk, 2, '1');
    press(&mut desk, 3, '2');
    press(&mut desk, 4, '#');
    let told: Vec<String> = desk
        .events()
        .into_iter()
        .filter_map(|what| match what {
            What::ContactPressed { contact, key, .. } => Some(format!("{} {key}", contact.0)),
            What::ContactMoved { contact, queue, .. } => Some(format!("{} to {queue}", contact.0)),
            What::ContactRedirected { contact, to, .. } => Some(format!("{} to {to}", contact.0)),
            What::ContactRefused { contact, why, .. } => Some(format!("{} {why:?}", contact.0)),
            _ => None,
        })
        .collect();
    let all = [
        "2 9",
        "2 1",
        "2 to b",
        "3 2",
        "3 to sip:mail@example.com",
        "4 #",
        "4 ByKey",
    ];
    assert_eq!(told, all);
    let anew = Say {
        parts: Vec::new(),
        music: Some("other".into()),
        language: Some("de".into()),
    };
    let contact = ContactId(2);
    assert_eq!(heard(&mut desk), [Output::Say { contact, say: anew }]);
    let refused = (ContactId(4), 486, Some(30), RefuseReason::ByKey);
    assert_eq!(desk.refusals(), [refused]);
    desk.pass(60_000);
    let said = heard(&mut desk);
    let of_b = |output: &&Output| **output == say(2, vec![Part::Position(1)]);
    assert!(said.iter().any(|output| of_b(&output)), "{said:?}");
}

// D14
#[test]
fn who_is_being_rung_for_hears_no_announcement_and_keeps_its_agent() {
    let mut desk = busy(
        "waiting = { say = [\"position\"], first_seconds = 5, every_seconds = 10 }, \
         ring_seconds = 60, overflow = [{ when = \"pressed\", key = \"1\", refuse = 480 }]",
    );
    desk.call_as(2, call_to("a"));
    heard(&mut desk);
    let snapshot = desk.snapshot();
    let live = snapshot.contacts.iter().find(|view| view.id.0 == 1);
    let offer = live
        .and_then(|view| view.offer)
        .expect("a call that stands");
    desk.ended(ContactId(1), offer);
    let (contact, offer, _) = desk.offer();
    assert_eq!(contact, ContactId(2));
    desk.pass(20_000);
    press(&mut desk, 2, '1');
    assert_eq!(heard(&mut desk), []);
    assert_eq!(desk.refusals(), []);
    desk.failed(offer, OfferFailure::Declined, 603);
    desk.status(
        "anna",
        Status::Paused {
            reason: String::new(),
        },
    );
    desk.pass(10_000);
    assert_eq!(heard(&mut desk), [say(2, vec![Part::Position(1)])]);
}

// D14
#[test]
fn keys_and_sounds_that_cannot_be_are_problems() {
    let problems = |queue: &str| {
        let text = format!(
            "queue = [{{ id = \"a\", {queue} }}]\nagent = []\nrule = [{{ id = \"r\", then = {{ queue = \"a\" }} }}]"
        );
        let centre = toml::from_str(&text).unwrap();
        let found = validate(&centre).into_iter();
        Vec::from_iter(found.map(|problem| problem.path))
    };
    let key = |key: &str| {
        problems(&format!(
            "waiting = {{}}, overflow = [{{ when = \"pressed\", {key} refuse = 480 }}]"
        ))
    };
    assert_eq!(key("key = \"1\","), [""; 0]);
    assert_eq!(key(""), ["queue[0].overflow[0].key"]);
    assert_eq!(key("key = \"x\","), ["queue[0].overflow[0].key"]);
    assert_eq!(
        problems("overflow = [{ when = \"pressed\", key = \"1\", refuse = 480 }]"),
        ["queue[0].overflow[0].key"]
    );
    assert_eq!(
        problems("overflow = [{ when = \"full\", key = \"1\", refuse = 480 }]"),
        ["queue[0].overflow[0].key"]
    );
    assert_eq!(
        problems("waiting = { music = \"../x\", language = \"d e\", every_seconds = 1 }"),
        [
            "queue[0].waiting.language",
            "queue[0].waiting.music",
            "queue[0].waiting.every_seconds"
        ]
    );
}
