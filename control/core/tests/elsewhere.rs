//! Contacts that wait ask other centres for agents too, and keep their places here (D12).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, centre};
use patchbay_core::limits::{LONGEST_SITE_PAUSE, SITE_PAUSE};
use patchbay_core::{
    ContactId, Input, OfferFailure, Output, RefuseReason, SiteAsk, SiteFailure, Status, What,
    validate,
};
use std::time::Duration;

/// One agent here; Lyon takes the calls of two queues after five seconds, two at a time.
const SHARED: &str = r#"
queue = [
  { id = "q", ring_seconds = 10, max_wait_seconds = 600 },
  { id = "other", ring_seconds = 10, max_wait_seconds = 600 },
]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1", queues = ["q"] }]
rule = [
  { id = "other", when = { to = "other@*" }, then = { queue = "other" } },
  { id = "all", then = { queue = "q", skills = { french = 5 }, relax = [{ after_seconds = 60 }] } },
]

[[site]]
id = "lyon"
url = "https://control.lyon.example"
token = "a-token"
edge = "sip:edge.lyon.example"
queues = { q = "support", other = "autres" }
after_seconds = 5
max_at_once = 2
"#;

/// What was asked since the last look, as contacts.
fn asked(desk: &mut Desk) -> Vec<u64> {
    asks(desk).into_iter().map(|(contact, _)| contact).collect()
}

fn asks(desk: &mut Desk) -> Vec<(u64, SiteAsk)> {
    let asks = desk.said.iter().filter_map(|output| match output {
        Output::AskSite { contact, ask, .. } => Some((contact.0, SiteAsk::clone(ask))),
        _ => None,
    });
    let asks = asks.collect();
    desk.said
        .retain(|output| !matches!(output, Output::AskSite { .. }));
    asks
}

/// Whose asking was taken back since the last look.
fn left(desk: &mut Desk) -> Vec<u64> {
    let left = desk.said.iter().filter_map(|output| match output {
        Output::LeaveSite { contact, .. } => Some(contact.0),
        _ => None,
    });
    let left = left.collect();
    desk.said
        .retain(|output| !matches!(output, Output::LeaveSite { .. }));
    left
}

fn took(desk: &mut Desk, contact: u64) {
    let (contact, site) = (ContactId(contact), "lyon".into());
    desk.tell(Input::SiteTook { contact, site });
}

fn offers(desk: &mut Desk, contact: u64, agent: &str) {
    desk.tell(Input::SiteOffered {
        contact: ContactId(contact),
        site: "lyon".into(),
        agent: agent.into(),
    });
}

fn gone(desk: &mut Desk, contact: u64, why: SiteFailure) {
    desk.tell(Input::SiteGone {
        contact: ContactId(contact),
        site: "lyon".into(),
        why,
    });
}

fn failures(desk: &Desk) -> Vec<(u64, SiteFailure, u64)> {
    let failures = desk.events().into_iter().filter_map(|what| match what {
        What::SiteFailed {
            contact,
            why,
            pause_ms,
            ..
        } => Some((contact.0, why, pause_ms)),
        _ => None,
    });
    failures.collect()
}

fn seconds(of: Duration) -> u64 {
    of.as_millis() as u64
}

// D12
#[test]
fn a_contact_that_has_waited_for_long_enough_asks_and_is_led_to_the_agent_there() {
    let mut desk = Desk::new(SHARED);
    desk.call(1);
    desk.pass(4_999);
    assert_eq!(asked(&mut desk), [0; 0]);
    desk.pass(1);
    let asks = asks(&mut desk);
    let [(1, ask)] = asks.as_slice() else {
        panic!("{asks:?}")
    };
    assert_eq!(
        (ask.queue.as_str(), ask.skills["french"]),
        ("support", 5),
        "by its name there"
    );
    assert_eq!(ask.waited, Duration::from_secs(5));
    took(&mut desk, 1);
    offers(&mut desk, 1, "berthe");
    let (contact, offer, agent) = desk.offer();
    assert_eq!((contact, agent.as_str()), (ContactId(1), "berthe@lyon"));
    assert_eq!(left(&mut desk), [0; 0], "it is over with its offer");
    desk.answered(offer);
    assert_eq!(desk.activity("berthe@lyon"), "in_call");
    desk.ended(contact, offer);
    let known = desk.snapshot().agents;
    assert!(known.iter().all(|agent| agent.id.as_str() == "anna"));
    assert_eq!(desk.distributor.held().elsewhere, 0);
}

// D12
#[test]
fn whoever_is_free_first_has_it_and_the_other_centre_is_left() {
    let mut desk = Desk::new(&SHARED.replace("french", "any"));
    desk.tell(Input::Configure(centre(
        &SHARED.replace("skills = { french = 5 }, ", ""),
    )));
    let busy = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.call(2);
    desk.call(3);
    desk.call(4);
    desk.pass(5_000);
    assert_eq!(asked(&mut desk), [2, 3], "two at a time, the first first");
    desk.ended(busy, offer);
    assert_eq!((left(&mut desk), asked(&mut desk)), (vec![2], vec![4]));
    let (contact, offer, agent) = desk.offer();
    assert_eq!((contact, agent.as_str()), (ContactId(2), "anna"));
    offers(&mut desk, 2, "berthe");
    assert_eq!(desk.offers(), [], "it crossed on the way");
    // Anna does not answer and leaves: the contact has its place.
    let reason = String::new();
    desk.status("anna", Status::Paused { reason });
    desk.failed(offer, OfferFailure::NoAnswer, 480);
    assert_eq!(asked(&mut desk), [0; 0], "two others ask");
    gone(&mut desk, 3, SiteFailure::Refused);
    desk.gone(ContactId(4));
    assert_eq!(left(&mut desk), [4]);
    desk.pass(seconds(SITE_PAUSE));
    assert_eq!(asked(&mut desk), [2], "before the third, and one alone");
    took(&mut desk, 2);
    assert_eq!(asked(&mut desk), [3]);
    desk.gone(ContactId(2));
    desk.gone(ContactId(3));
    assert_eq!(left(&mut desk), [2, 3]);
    assert_eq!(desk.distributor.held().elsewhere, 0);
}

// D12
#[test]
fn one_that_its_agent_there_fails_keeps_its_place_and_asks_again_later() {
    let mut desk = Desk::new(SHARED);
    desk.call(1);
    desk.pass(5_000);
    offers(&mut desk, 1, "berthe");
    let (_, offer, _) = desk.offer();
    asked(&mut desk);
    desk.failed(offer, OfferFailure::Declined, 603);
    assert_eq!(desk.waiting(), [1]);
    assert_eq!(asked(&mut desk), [0; 0]);
    desk.pass(seconds(SITE_PAUSE));
    assert_eq!(asked(&mut desk), [1]);
    // An agent here who can serve it is not asked to wait for that.
    let with_french = SHARED.replace(
        "queues = [\"q\"] }",
        "queues = [\"q\"], skills = { french = 9 } }",
    );
    desk.tell(Input::Configure(centre(&with_french)));
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact, agent.as_str()), (ContactId(1), "anna"));
    assert_eq!(left(&mut desk), [1]);
    assert_eq!(failures(&desk), [], "a person who declines is no failure");
}

// D12
#[test]
fn calls_that_do_not_arrive_there_close_the_way_for_all() {
    let mut desk = Desk::new(SHARED);
    desk.call(1);
    desk.pass(5_000);
    asked(&mut desk);
    offers(&mut desk, 1, "berthe");
    let (_, offer, _) = desk.offer();
    desk.failed(offer, OfferFailure::Unreachable, 503);
    let pause = seconds(SITE_PAUSE);
    assert_eq!(failures(&desk), [(1, SiteFailure::CallFailed, pause)]);
    desk.call(2);
    desk.pass(pause);
    assert_eq!(asked(&mut desk), [1]);
}

// D12
#[test]
fn one_that_fails_is_left_alone_longer_and_longer_and_then_tried_with_one() {
    let mut desk = Desk::new(&SHARED.replace(", relax = [{ after_seconds = 60 }]", ""));
    for contact in 1..=3 {
        desk.call(contact);
    }
    desk.pass(5_000);
    assert_eq!(asked(&mut desk), [1, 2]);
    gone(&mut desk, 1, SiteFailure::Unreachable);
    gone(&mut desk, 2, SiteFailure::Unreachable);
    let mut expected = seconds(SITE_PAUSE);
    assert_eq!(
        failures(&desk),
        [
            (1, SiteFailure::Unreachable, expected),
            (2, SiteFailure::Unreachable, expected)
        ]
    );
    for _ in 0..8 {
        desk.pass(expected - 1);
        assert_eq!(asked(&mut desk), [0; 0]);
        desk.pass(1);
        assert_eq!(asked(&mut desk), [1], "one alone");
        gone(&mut desk, 1, SiteFailure::Unreachable);
        expected = (expected * 2).min(seconds(LONGEST_SITE_PAUSE));
    }
    assert_eq!(desk.waiting(), [1, 2, 3], "nobody has lost a place");
    desk.pass(expected);
    took(&mut desk, 1);
    assert_eq!(asked(&mut desk), [1, 2]);
}

// D12
#[test]
fn one_that_moves_or_asks_for_less_asks_anew() {
    let mut desk = Desk::new(SHARED);
    desk.call(1);
    desk.pass(59_999);
    assert_eq!(asked(&mut desk), [1]);
    desk.said.clear();
    desk.pass(1);
    assert_eq!(left(&mut desk), [1]);
    let (contact, _, agent) = desk.offer();
    assert_eq!(
        (contact, agent.as_str()),
        (ContactId(1), "anna"),
        "she can serve it now"
    );
    let mut desk = Desk::new(&SHARED.replace("queues = [\"q\"] }", "queues = [\"other\"] }"));
    desk.call(1);
    desk.pass(60_000);
    let asks = asks(&mut desk);
    let skills = asks.iter().map(|(_, ask)| ask.skills.len());
    assert_eq!(Vec::from_iter(skills), [1, 0]);
    assert_eq!(left(&mut desk), [1]);
    assert_eq!(asks[1].1.waited, Duration::from_secs(60));
}

// D12
#[test]
fn a_declaration_without_the_centre_takes_everything_back() {
    let mut desk = Desk::new(SHARED);
    desk.call(1);
    desk.call(2);
    desk.pass(5_000);
    assert_eq!(asked(&mut desk), [1, 2]);
    desk.tell(Input::Configure(centre(
        &SHARED.replace("\"all\"", "\"one\""),
    )));
    assert_eq!(
        (asked(&mut desk), left(&mut desk)),
        (vec![], vec![]),
        "another change leaves them"
    );
    let alone = SHARED.split("[[site]]").next().unwrap();
    desk.tell(Input::Configure(centre(alone)));
    assert_eq!(left(&mut desk), [1, 2]);
    offers(&mut desk, 1, "berthe");
    took(&mut desk, 2);
    assert_eq!(desk.offers(), []);
    assert_eq!(desk.distributor.held().elsewhere, 0);
    desk.tell(Input::Configure(centre(SHARED)));
    assert_eq!(asked(&mut desk), [1, 2]);
}

// D12
#[test]
fn a_queue_without_agents_here_takes_contacts_while_others_may_serve_them() {
    let text = SHARED.replace(
        "{ id = \"other\", ring",
        "{ id = \"other\", when_no_agents = \"refuse\", ring",
    );
    let mut desk = Desk::new(&text);
    desk.call_as(1, common::call_to("other"));
    assert_eq!(desk.refusals(), []);
    desk.pass(5_000);
    assert_eq!(asked(&mut desk), [1]);
    gone(&mut desk, 1, SiteFailure::Forbidden);
    desk.call_as(2, common::call_to("other"));
    let why = desk.refusals().into_iter().map(|refusal| refusal.3);
    assert_eq!(Vec::from_iter(why), [RefuseReason::NoAgents]);
}

// D12
#[test]
fn what_is_wrong_with_another_centre_is_found_before_it_is_asked() {
    for (right, wrong, path) in [
        ("id = \"lyon\"", "id = \"l yon\"", "site[0].id"),
        ("https://", "http://", "site[0].url"),
        (
            "lyon.example\"\ntoken",
            "lyon.example/?a=b\"\ntoken",
            "site[0].url",
        ),
        ("\"a-token\"", "\"\"", "site[0].token"),
        ("sip:edge", "sip:anna@edge", "site[0].edge"),
        ("sip:edge.lyon.example", "edge", "site[0].edge"),
        (
            "q = \"support\"",
            "none = \"support\"",
            "site[0].queues.none",
        ),
        ("\"support\"", "\"sup port\"", "site[0].queues.q"),
        (
            "after_seconds = 5\nmax",
            "after_seconds = 86401\nmax",
            "site[0].after_seconds",
        ),
        ("max_at_once = 2", "max_at_once = 0", "site[0].max_at_once"),
        (
            "{ q = \"support\", other = \"autres\" }",
            "{}",
            "site[0].queues",
        ),
    ] {
        let text = SHARED.replace(right, wrong);
        assert_ne!(text, SHARED);
        let problems = validate(&toml::from_str(&text).unwrap());
        let paths: Vec<&str> = problems.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, [path], "{wrong}");
    }
}
