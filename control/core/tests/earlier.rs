//! Earlier contacts of a caller: looked up where a rule asks for them, and done without when that takes
//! too long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Desk;
use common::asked::{CENTRE, answers, asks, fails, typed};
use patchbay_core::asking::AskFailure;
use patchbay_core::limits::EARLIER_TIME;
use patchbay_core::{ContactId, Earlier, Input, Output, What};

/// A centre whose rules ask for earlier contacts, with those keys of a server.
fn looking_back(keys: Option<&str>) -> Desk {
    let back = r#"{ id = "again", when = { expression = 'earlier.contacts > 1 && earlier.seconds_ago < 60' }, then = { queue = "gold" } },
  { id = "tier""#;
    let text = keys.map_or(CENTRE.to_owned(), asks);
    Desk::new(&text.replace(r#"{ id = "tier""#, back))
}

fn found(desk: &mut Desk, contact: ContactId, contacts: u32) {
    let earlier = Some(Earlier {
        contacts,
        seconds_ago: (contacts > 0).then_some(7),
        ..Earlier::default()
    });
    desk.tell(Input::EarlierFound { contact, earlier });
}

fn looked_up(desk: &Desk) -> Vec<String> {
    let looked = desk.said.iter().filter_map(|output| match output {
        Output::LookUp { from, .. } => Some(from.clone()),
        _ => None,
    });
    looked.collect()
}

// A3
#[test]
fn earlier_contacts_are_looked_up_where_a_rule_asks_for_them() {
    let mut desk = Desk::new(CENTRE);
    desk.call(1);
    assert!(looked_up(&desk).is_empty(), "no rule asks for them");
    for (contacts, rule) in [(0, "all"), (1, "all"), (2, "again")] {
        let mut desk = looking_back(None);
        let contact = desk.call(1);
        assert_eq!(looked_up(&desk), ["sip:carl@example.net"]);
        assert!(desk.offers().is_empty());
        found(&mut desk, contact, contacts);
        assert_eq!(typed(&desk).0, rule, "{contacts}");
    }
}

// A3
#[test]
fn a_list_that_does_not_come_in_time_is_done_without() {
    let mut desk = looking_back(None);
    let contact = desk.call(1);
    desk.pass(EARLIER_TIME.as_millis() as u64);
    assert_eq!(typed(&desk).0, "all");
    found(&mut desk, contact, 5);
    let second = desk.call(2);
    desk.said.clear();
    let (contact, earlier) = (second, None);
    desk.tell(Input::EarlierFound { contact, earlier });
    assert_eq!(typed(&desk).0, "all", "at once");
    let counters = desk.distributor.counters();
    assert_eq!(
        (counters.without_earlier, counters.dropped_late_answer),
        (2, 1)
    );
}

// A3 D13
#[test]
fn a_server_and_the_list_are_waited_for_together() {
    let mut desk = looking_back(Some("time_limit_ms = 100"));
    // Whichever comes first, the other is waited for.
    let first = desk.call(1);
    answers(&mut desk, first, "{}");
    assert!(desk.offers().is_empty());
    found(&mut desk, first, 2);
    assert_eq!(typed(&desk).0, "again");
    desk.said.clear();
    let second = desk.call(2);
    found(&mut desk, second, 0);
    assert!(desk.offers().is_empty());
    answers(
        &mut desk,
        second,
        r#"{"customer": {"tier": "gold"}, "entitlements": ["support"]}"#,
    );
    assert_eq!(typed(&desk).0, "tier");
    // What the server decides, or its failure where a queue is declared for it, does not wait.
    desk.said.clear();
    let third = desk.call(3);
    answers(&mut desk, third, r#"{"decision": {"queue": "night"}}"#);
    assert_eq!(typed(&desk).0, "crm");
    found(&mut desk, third, 2);
    // When the server fails the list is still waited for.
    desk.said.clear();
    let fourth = desk.call(4);
    fails(&mut desk, fourth, AskFailure::Status);
    assert!(
        !desk
            .events()
            .iter()
            .any(|what| matches!(what, What::ContactTyped { .. }))
    );
    found(&mut desk, fourth, 2);
    assert_eq!(typed(&desk).0, "again");
}

// A4 A3
#[test]
fn who_served_a_caller_before_a_restart_is_remembered() {
    let text = CENTRE.replace(r#"id = "q","#, r#"id = "q", sticky_seconds = 30,"#);
    for (restored, expected) in [
        (None, "anna"),
        (Some("bert"), "bert"),
        (Some("gone"), "anna"),
    ] {
        let mut desk = Desk::new(&text);
        let served = restored.map(|agent| ("sip:carl@example.net".to_owned(), agent.into()));
        desk.distributor.remember_last(served);
        desk.call(1);
        assert_eq!(desk.offer().2, expected);
    }
}
