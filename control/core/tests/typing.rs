//! Rules over expressions and calendars, from the declaration to the event.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::explain::Outcome;
use patchbay_core::{Centre, Event, Input, Now, Output, What, validate};
use std::time::Duration;

const CENTRE: &str = r#"
queue = [{ id = "q" }, { id = "gold" }, { id = "closed" }]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1" }]
calendar = [{ id = "office", zone = "Europe/Zurich", open = [{ from = "08:00", to = "18:00" }], holidays = [{ date = "*-12-25", name = "Christmas" }] }]
rule = [
  { id = "christmas", when = { expression = 'calendar["office"].holiday == "Christmas"' }, then = { refuse = 480 } },
  { id = "closed", when = { calendar = "!office" }, then = { queue = "closed" } },
  { id = "gold", when = { to = "q@*", expression = 'headers["x-tier"][0] in ["gold", "platinum"]' }, then = { queue = "gold", attributes = { tier = "gold", sla = "20 s" } } },
  { id = "all", then = { queue = "q" } },
]
"#;

// 2026-11-23 is a Monday.
const MONDAY_NOON_UTC: u64 = 1_795_435_200_000;
const HOUR: u64 = 3_600_000;

fn at(unix_ms: u64) -> Now {
    Now {
        mono: Duration::from_secs(1),
        unix_ms,
    }
}

fn desk() -> Desk {
    Desk::new(CENTRE)
}

fn arrives(desk: &mut Desk, contact: u64, tier: Option<&str>, unix_ms: u64) -> Vec<Event> {
    let mut facts = call_to("q");
    let header = tier.map(|tier| ("X-Tier".to_string(), tier.to_string()));
    facts.headers.extend(header);
    let contact = patchbay_core::ContactId(contact);
    let input = Input::ContactArrived {
        contact,
        facts: Box::new(facts),
    };
    desk.distributor.handle(input, at(unix_ms));
    let mut events = Vec::new();
    while let Some(output) = desk.distributor.poll() {
        if let Output::Event(event) = output {
            events.push(*event);
        }
    }
    events
}

// A3
#[test]
fn an_expression_decides_and_its_attributes_are_told_and_shown() {
    let mut desk = desk();
    let events = arrives(&mut desk, 1, Some("gold"), MONDAY_NOON_UTC);
    let What::ContactTyped {
        rule,
        attributes,
        because,
        ..
    } = &events[0].what
    else {
        panic!("{events:?}")
    };
    assert_eq!(rule.as_str(), "gold");
    assert_eq!(attributes["sla"], "20 s");
    assert!(
        because
            .iter()
            .any(|one| one.contains(r#"headers["x-tier"][0] = "gold""#)),
        "{because:?}"
    );
    let snapshot = desk.distributor.snapshot(at(MONDAY_NOON_UTC));
    assert_eq!(snapshot.contacts[0].attributes["tier"], "gold");
}

// A3
#[test]
fn an_expression_over_a_header_that_is_missing_is_counted_and_does_not_hold() {
    let mut desk = desk();
    let events = arrives(&mut desk, 1, None, MONDAY_NOON_UTC);
    assert!(matches!(&events[0].what, What::ContactTyped { rule, .. } if rule.as_str() == "all"));
    assert_eq!(desk.distributor.counters().expressions_failed, 1);
    arrives(&mut desk, 2, Some("gold"), MONDAY_NOON_UTC);
    assert_eq!(desk.distributor.counters().expressions_failed, 1);
    let told = desk.distributor.explain(&call_to("q"), at(MONDAY_NOON_UTC));
    let gold = told.rules.iter().find(|rule| rule.rule.as_str() == "gold");
    let condition = &gold.unwrap().conditions[1];
    assert_eq!(
        (condition.condition.as_str(), condition.holds),
        ("expression", false)
    );
    assert!(
        condition.found.starts_with("cannot be said"),
        "{condition:?}"
    );
    assert_eq!(
        desk.distributor.counters().expressions_failed,
        1,
        "a dry run counts nothing"
    );
}

// A3 G4
#[test]
fn a_calendar_closes_by_the_hour_and_by_the_holiday() {
    let mut desk = desk();
    let mut explain = |unix_ms| desk.distributor.explain(&call_to("q"), at(unix_ms));
    let mut queue = |unix_ms| explain(unix_ms).typed.map(|typed| typed.queue.to_string());
    assert_eq!(queue(MONDAY_NOON_UTC).unwrap(), "q");
    assert_eq!(
        queue(MONDAY_NOON_UTC + 4 * HOUR).unwrap(),
        "q",
        "16:59 is past"
    );
    assert_eq!(queue(MONDAY_NOON_UTC + 5 * HOUR).unwrap(), "closed");
    let christmas = explain(MONDAY_NOON_UTC + 32 * 24 * HOUR);
    assert!(matches!(
        christmas.outcome,
        Outcome::Refuse { status: 480, .. }
    ));
    let night = explain(MONDAY_NOON_UTC + 9 * HOUR);
    let condition = &night.rules[1].conditions[0];
    assert_eq!(condition.wanted, "!office");
    assert_eq!(condition.found, "office is closed (Mon 2026-11-23 22:00)");
}

// A3
#[test]
fn what_is_wrong_with_expressions_calendars_and_attributes_is_named_with_its_place() {
    let text = r#"
queue = [{ id = "q" }]
calendar = [
  { id = "a", zone = "Mars", holidays = ["2026-02-30"] },
  { id = "a", open = [{ from = "8" }], exceptions = [{ date = "x" }] },
]
rule = [
  { id = "r", when = { expression = "tier == 'gold'", calendar = ["a", "!b"] }, then = { queue = "q", attributes = { "a b" = "x", c = "\u0007" } } },
  { id = "s", when = { expression = "time.hour", zone = "Moon" }, then = { queue = "q" } },
  { id = "t", when = { expression = "calendar['c'].open", }, then = { queue = "q" } },
  { id = "u", when = { to = "x", zone = "UTC" }, then = { queue = "q" } },
  { id = "v", then = { queue = "q" } },
]
"#;
    let centre: Centre = toml::from_str(text).unwrap();
    let problems = validate(&centre);
    let mut paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "calendar[0].holidays[0].date",
            "calendar[0].zone",
            "calendar[1].exceptions[0].date",
            "calendar[1].id",
            "calendar[1].open[0].from",
            "rule[0].then.attributes.a b",
            "rule[0].then.attributes.c",
            "rule[0].when.calendar[1]",
            "rule[0].when.expression",
            "rule[1].when.zone",
            "rule[2].when.expression",
            "rule[3].when.zone",
        ]
    );
    assert!(
        problems
            .iter()
            .all(|p| !p.message.is_empty() && !p.remedy.is_empty())
    );
    let mut desk = desk();
    desk.tell(Input::Configure(centre));
    assert_eq!(desk.distributor.counters().dropped_declaration, 1);
    let told = desk.distributor.explain(&call_to("q"), at(MONDAY_NOON_UTC));
    assert_eq!(
        told.typed.unwrap().rule.as_str(),
        "all",
        "the old one is in force"
    );
}
