//! What people complain about in other distributors, and why it cannot happen here. One test for each
//! complaint; the simulator looks for the same after every step of every seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, TWO_AGENTS, call_to, centre};
use patchbay_core::{ContactId, EndCause, Input, OfferEnd, OfferFailure, Output, Status, What};

const RING_ALL: &str = r#"
queue = [
  { id = "q", strategy = "ring_all", ring_seconds = 10 },
  { id = "r", strategy = "ring_all", ring_seconds = 10 },
]
agent = [
  { id = "anna", uri = "sip:anna@192.0.2.1" },
  { id = "bert", uri = "sip:bert@192.0.2.2" },
]
rule = [
  { id = "r", when = { to = "r@*" }, then = { queue = "r" } },
  { id = "all", then = { queue = "q" } },
]
"#;

// A4
#[test]
fn agents_stuck_reserved_under_ring_all() {
    let mut desk = Desk::new(RING_ALL);
    desk.call(1);
    let offers = desk.offers();
    desk.answered(offers[0].1);
    // The relay never says what became of the other phone.
    assert_eq!(desk.activity("bert"), "reserved");
    desk.pass(35_000);
    assert_eq!(desk.activity("bert"), "resting");
    desk.pass(5_000);
    assert_eq!(desk.activity("bert"), "idle");
}

// A4
#[test]
fn a_caller_listed_as_answered_after_hanging_up() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.gone(contact);
    desk.answered(offer);
    let snapshot = desk.snapshot();
    assert_eq!(snapshot.contacts, []);
    assert_eq!(snapshot.queues[0].connected, 0);
    let connected = |what: &What| matches!(what, What::ContactConnected { .. });
    assert!(!desk.events().iter().any(connected));
    desk.ended(contact, offer);
    assert_eq!(desk.activity("anna"), "idle");
}

// A4
#[test]
fn a_state_change_during_an_offer_that_loops() {
    for status in [
        Status::LoggedOut,
        Status::Paused {
            reason: String::new(),
        },
    ] {
        let mut desk = Desk::new(ONE_AGENT);
        desk.call(1);
        let (_, offer, _) = desk.offer();
        desk.status("anna", status.clone());
        desk.failed(offer, OfferFailure::Declined, 603);
        desk.pass(55_000);
        assert_eq!(desk.offers(), [], "{status:?}: nobody rings again");
        desk.status("anna", Status::Ready);
        assert_eq!(desk.offers().len(), 1);
    }
}

// A4
#[test]
fn two_answerers_both_connected() {
    let mut desk = Desk::new(RING_ALL);
    desk.call(1);
    let offers = desk.offers();
    for (_, offer, _) in &offers {
        desk.answered(*offer);
    }
    let orders = desk.orders();
    let accepted = orders.iter().filter(|o| matches!(o, Output::Accept { .. }));
    assert_eq!(accepted.count(), 1);
    let ended = orders
        .iter()
        .filter(|o| matches!(o, Output::EndSession { .. }));
    assert_eq!(ended.count(), 1);
}

// A4
#[test]
fn an_agent_rung_by_two_queues() {
    let mut desk = Desk::new(RING_ALL);
    desk.call(1);
    desk.call_as(2, call_to("r"));
    let rung: Vec<u64> = desk
        .offers()
        .iter()
        .map(|(contact, ..)| contact.0)
        .collect();
    assert_eq!(rung, [1, 1], "the second caller waits");
}

// A4
#[test]
fn completed_calls_counted_twice() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
    desk.ended(contact, offer);
    desk.ended(contact, offer);
    desk.tell(Input::ContactEnded {
        contact,
        offer,
        cause: EndCause::Api,
        by: None,
    });
    desk.list(vec![]);
    let ended = |what: &What| matches!(what, What::ContactEnded { .. });
    assert_eq!(desk.events().iter().filter(|what| ended(what)).count(), 1);
    assert_eq!(desk.distributor.counters().ended, 1);
}

// A4
#[test]
fn free_agents_and_a_waiting_caller_at_once() {
    let mut desk = Desk::new(TWO_AGENTS);
    for agent in ["anna", "bert"] {
        desk.reachable(agent, false);
    }
    let text = TWO_AGENTS.replace(
        "max_length = 3",
        "max_length = 3, when_no_agents = \"wait\"",
    );
    desk.tell(Input::Configure(centre(&text)));
    desk.call(1);
    desk.call(2);
    assert_eq!(desk.waiting(), [1, 2]);
    // Each way back to work is looked at by itself: a registration, a status, a declaration.
    desk.reachable("anna", true);
    assert_eq!(desk.offer().0.0, 1);
    desk.status("bert", Status::LoggedOut);
    desk.reachable("bert", true);
    assert_eq!(desk.offers(), []);
    desk.status("bert", Status::Ready);
    assert_eq!(desk.offer().0.0, 2);
}

// A4
#[test]
fn freed_capacity_that_does_not_drain_the_queue() {
    let text = |capacity: u32| {
        ONE_AGENT
            .replace(
                "192.0.2.1\"",
                &format!("192.0.2.1\", capacity = {capacity}"),
            )
            .replace("max_length = 3", "max_length = 9")
    };
    let mut desk = Desk::new(&text(1));
    for contact in 1..=5 {
        desk.call(contact);
    }
    assert_eq!(desk.offer().0.0, 1);
    desk.tell(Input::Configure(centre(&text(4))));
    let offered: Vec<u64> = desk
        .offers()
        .iter()
        .map(|(contact, ..)| contact.0)
        .collect();
    assert_eq!(offered, [2, 3, 4]);
    assert_eq!(desk.waiting(), [1, 2, 3, 4, 5]);
}

// A4
#[test]
fn contacts_left_on_agents_who_went_offline() {
    let mut desk = Desk::new(TWO_AGENTS);
    desk.call(1);
    let (contact, offer, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.reachable("anna", false);
    desk.pass(10_000);
    let (again, _, agent) = desk.offer();
    assert_eq!((again, agent.as_str()), (contact, "bert"));
    desk.failed(offer, OfferFailure::Unreachable, 408);
    let ends = desk.events().into_iter().filter_map(|what| match what {
        What::OfferFailed { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [OfferEnd::NoAnswer]);
}

// A4
#[test]
fn a_place_lost_on_re_entry() {
    let mut desk = Desk::new(ONE_AGENT);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.call(2);
    desk.call(3);
    assert_eq!(desk.waiting(), [1, 2, 3]);
    desk.failed(offer, OfferFailure::Busy, 486);
    assert_eq!(desk.waiting(), [1, 2, 3]);
    desk.pass(5_000);
    assert_eq!(desk.offer().0, ContactId(1), "the first is still the first");
}
