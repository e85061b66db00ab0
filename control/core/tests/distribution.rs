//! Queues and selection: who gets whom, in which order, and what happens when nobody is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, TWO_AGENTS, call_to, centre};
use patchbay_core::explain::Verdict;
use patchbay_core::{Facts, Input, OfferFailure, Output, RefuseReason, Status, What};

const SKILLED: &str = r#"
queue = [
  { id = "q", wrap_up_seconds = 20 },
  { id = "vip", when_no_agents = "wait", max_wait_seconds = 30, retry_after_seconds = 7 },
]
agent = [
  { id = "anna", uri = "sip:a@192.0.2.1", skills = { german = 3 }, queues = ["q"] },
  { id = "bert", uri = "sip:b@192.0.2.2", skills = { german = 1 }, queues = ["q"] },
]
rule = [
  { id = "deutsch", when = { to = "deutsch@*" }, then = { queue = "q", skills = { german = 2 }, priority = 5 } },
  { id = "vip", when = { to = "vip@*" }, then = { queue = "vip" } },
  { id = "closed", when = { to = "closed@*" }, then = { refuse = 410 } },
  { id = "all", then = { queue = "q" } },
]
"#;

// A4
#[test]
fn the_longest_idle_agent_is_chosen_and_the_choice_explained() {
    let mut desk = Desk::new(TWO_AGENTS);
    let first = desk.call(1);
    let (_, offer, agent) = desk.offer();
    assert_eq!(agent, "anna", "equally idle: the smaller identifier");
    desk.answered(offer);
    desk.pass(3_000);
    desk.ended(first, offer);
    desk.pass(1_000);
    desk.said.clear();
    desk.call(2);
    let choice = desk.events().into_iter().find_map(|what| match what {
        What::ContactOffered { choice, .. } => Some(choice),
        _ => None,
    });
    let choice = choice.unwrap();
    assert_eq!(choice.chosen, Some("bert".into()));
    assert_eq!((choice.qualified, choice.free), (2, 2));
    assert_eq!(
        choice.considered[0].verdict,
        Verdict::Chosen {
            idle_ms: 4_000,
            score: None
        }
    );
    assert_eq!(choice.considered[1].agent, "anna".into());
    assert_eq!(
        choice.considered[1].verdict,
        Verdict::LessIdle { idle_ms: 1_000 }
    );
}

// A4
#[test]
fn skills_are_required_with_their_level_and_priority_goes_first() {
    let mut desk = Desk::new(SKILLED);
    desk.call_as(1, call_to("deutsch"));
    let (contact, offer, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.answered(offer);
    desk.call_as(2, call_to("deutsch"));
    assert!(
        desk.offers().is_empty(),
        "bert is free, and his level too low"
    );
    desk.call(3);
    let (_, berts, agent) = desk.offer();
    assert_eq!(agent, "bert");
    desk.answered(berts);
    desk.call(4);
    desk.call_as(5, call_to("deutsch"));
    assert_eq!(desk.waiting(), [2, 5, 4], "priority, then arrival");
    desk.ended(contact, offer);
    assert_eq!(desk.activity("anna"), "wrap_up");
    desk.pass(19_999);
    assert!(desk.offers().is_empty());
    desk.pass(1);
    assert_eq!(desk.offer().0.0, 2);
}

#[test]
fn ready_ends_the_wrap_up_early() {
    let mut desk = Desk::new(SKILLED);
    let contact = desk.call_as(1, call_to("deutsch"));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.ended(contact, offer);
    desk.call_as(2, call_to("deutsch"));
    assert!(desk.offers().is_empty());
    desk.status("anna", Status::Ready);
    assert_eq!(desk.offer().2, "anna");
}

// A5: no answer moves on to the next agent, and the caller keeps its place.
#[test]
fn an_agent_that_does_not_answer_is_passed_over_for_a_while() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, first, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.call(2);
    let (_, second, _) = desk.offer();
    desk.answered(second);
    desk.call(3);
    desk.pass(10_000);
    assert!(desk.orders().contains(&Output::CancelOffer {
        contact,
        offer: first
    }));
    desk.failed(first, OfferFailure::NoAnswer, 487);
    assert_eq!(desk.waiting(), [1, 3]);
    desk.pass(5_000);
    assert_eq!(
        desk.offer().0.0,
        3,
        "anna rested; she is offered the next, not the same"
    );
    assert_eq!(desk.waiting(), [1, 3], "on offer, and still in its place");
}

// A5
#[test]
fn busy_moves_on_at_once_and_nothing_loops() {
    let mut desk = Desk::new(TWO_AGENTS);
    desk.call(1);
    for expected in ["anna", "bert"] {
        let (_, offer, agent) = desk.offer();
        assert_eq!(agent, expected);
        desk.failed(offer, OfferFailure::Busy, 486);
    }
    assert!(desk.offers().is_empty(), "both rest");
    desk.pass(4_999);
    assert!(desk.offers().is_empty());
    desk.pass(1);
    assert_eq!(desk.offer().2, "anna");
}

#[test]
fn missed_offers_pause_an_agent_if_so_declared() {
    let text = format!("offers = {{ pause_after_missed = 2, skip_seconds = 1 }}\n{ONE_AGENT}");
    let mut desk = Desk::new(&text);
    desk.call(1);
    for _ in 0..2 {
        let (_, offer, _) = desk.offer();
        desk.pass(10_000);
        desk.failed(offer, OfferFailure::NoAnswer, 487);
        desk.pass(5_000);
    }
    assert!(desk.offers().is_empty());
    let agent = desk.snapshot().agents.remove(0);
    assert_eq!(agent.missed, 2);
    assert!(matches!(agent.status, Status::Paused { reason } if reason == "missed offers"));
    desk.status("anna", Status::Ready);
    assert_eq!(desk.offer().2, "anna");
}

// A5
#[test]
fn waiting_ends_with_480_and_a_retry_after() {
    let mut desk = Desk::new(ONE_AGENT);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    let second = desk.call(2);
    let queued = Output::Queued {
        contact: second,
        queue: "q".into(),
        position: 1,
    };
    assert!(desk.orders().contains(&queued));
    desk.pass(59_999);
    assert!(desk.refusals().is_empty());
    desk.pass(1);
    let refused = (second, 480, Some(30), RefuseReason::WaitedTooLong);
    assert_eq!(desk.refusals(), [refused]);
}

#[test]
fn the_longest_wait_leaves_a_ringing_phone_alone() {
    let mut desk = Desk::new(ONE_AGENT);
    let busy = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.call(2);
    desk.call(3);
    desk.pass(55_000);
    desk.ended(busy, offer);
    let (_, ringing, _) = desk.offer();
    desk.pass(6_000);
    let refused: Vec<u64> = desk.refusals().iter().map(|r| r.0.0).collect();
    assert_eq!(refused, [3]);
    desk.failed(ringing, OfferFailure::Declined, 603);
    assert_eq!(desk.refusals()[0].3, RefuseReason::WaitedTooLong);
}

// A5
#[test]
fn a_full_queue_refuses_the_next() {
    let mut desk = Desk::new(ONE_AGENT);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    for contact in 2..=4 {
        desk.call(contact);
    }
    desk.said.clear();
    let fifth = desk.call(5);
    assert_eq!(
        desk.refusals(),
        [(fifth, 480, Some(30), RefuseReason::QueueFull)]
    );
}

// A4
#[test]
fn with_nobody_there_a_queue_refuses_or_lets_wait_as_declared() {
    let mut desk = Desk::new(SKILLED);
    desk.status("anna", Status::LoggedOut);
    desk.reachable("bert", false);
    let refused = desk.call(1);
    assert_eq!(
        desk.refusals(),
        [(refused, 480, Some(30), RefuseReason::NoAgents)]
    );
    let vip = desk.call_as(2, call_to("vip"));
    let [Output::KeepPlace(_), Output::Queued { .. }] = desk.orders()[..] else {
        panic!("it waits");
    };
    desk.pass(30_000);
    assert_eq!(
        desk.refusals(),
        [(vip, 480, Some(7), RefuseReason::WaitedTooLong)]
    );
    desk.reachable("bert", true);
    desk.status(
        "bert",
        Status::Paused {
            reason: String::new(),
        },
    );
    desk.call(3);
    assert!(
        matches!(
            desk.orders()[..],
            [Output::KeepPlace(_), Output::Queued { .. }]
        ),
        "a paused agent is there"
    );
    desk.status("bert", Status::Ready);
    assert_eq!(desk.offer().2, "bert");
}

// A2, A3
#[test]
fn contacts_that_cannot_be_served_are_refused_at_once() {
    let mut desk = Desk::bare();
    let early = desk.call(1);
    assert_eq!(
        desk.refusals(),
        [(early, 503, Some(5), RefuseReason::NotConfigured)]
    );
    desk.tell(Input::Configure(centre(SKILLED)));
    let mut strange = call_to("q");
    strange.media[0].codecs = vec!["x-unknown".into(), "telephone-event".into()];
    desk.call_as(2, strange);
    desk.call_as(3, Facts::default());
    desk.call_as(4, call_to("closed"));
    let answers: Vec<_> = desk.refusals().iter().map(|r| (r.1, r.3)).collect();
    assert_eq!(
        answers,
        [
            (488, RefuseReason::NoUsableMedium),
            (488, RefuseReason::NoUsableMedium),
            (410, RefuseReason::ByRule)
        ]
    );
    assert_eq!(desk.distributor.held().contacts, 0);
}

// A6: the relay has no ports.
#[test]
fn a_full_relay_refuses_with_503_and_slows_down() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.call(2);
    desk.said.clear();
    desk.failed(offer, OfferFailure::RelayFull, 503);
    assert!(desk.offers().is_empty(), "the queue is not emptied into it");
    assert_eq!(
        desk.refusals(),
        [(contact, 503, Some(30), RefuseReason::RelayFull)]
    );
    desk.pass(5_000);
    assert_eq!(desk.offer().0.0, 2);
}

#[test]
fn unsuitable_media_pass_over_the_agent_for_this_contact_only() {
    let mut desk = Desk::new(ONE_AGENT);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.call(2);
    desk.failed(offer, OfferFailure::NotAcceptable, 488);
    assert_eq!(desk.offer().0.0, 2);
    assert_eq!(desk.waiting(), [1, 2]);
}

/// Bert is free, and anna is rung for a contact of emil's while carl waits for her alone, who served
/// him before. She does not answer and is paused. Whose contact bert gets.
fn after_the_miss(carl: i32, emil: i32) -> u64 {
    let mut desk = Desk::new(&format!(
        r#"
queue = [{{ id = "q", ring_seconds = 10, sticky_seconds = 60 }}]
agent = [
  {{ id = "anna", uri = "sip:anna@192.0.2.1" }},
  {{ id = "bert", uri = "sip:bert@192.0.2.2" }},
]
rule = [
  {{ id = "carl", when = {{ from = "sip:carl@*" }}, then = {{ queue = "q", priority = {carl} }} }},
  {{ id = "all", then = {{ queue = "q", priority = {emil} }} }},
]
offers = {{ pause_after_missed = 1 }}
"#
    ));
    let from = |caller: &str| {
        let from = format!("sip:{caller}@example.net");
        Facts {
            from,
            ..call_to("q")
        }
    };
    let first = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.pass(5_000);
    let second = desk.call_as(2, from("dora"));
    let (_, with_bert, _) = desk.offer();
    desk.answered(with_bert);
    desk.ended(first, offer);
    desk.call_as(3, from("emil"));
    assert_eq!(desk.offer().2, "anna");
    desk.call(4);
    desk.ended(second, with_bert);
    assert!(desk.offers().is_empty(), "carl waits for anna alone");
    desk.pass(10_000);
    let (contact, _, agent) = desk.offer();
    assert_eq!(agent, "bert");
    contact.0
}

// A4
#[test]
fn after_a_missed_offer_the_most_urgent_of_those_who_need_another_agent_goes_first() {
    assert_eq!(after_the_miss(5, 0), 4);
    assert_eq!(after_the_miss(0, 5), 3);
    assert_eq!(after_the_miss(0, 0), 3, "emil came first");
}

// A4
#[test]
fn of_those_who_wait_for_one_agent_in_several_queues_the_most_urgent_is_served() {
    let mut desk = Desk::new(
        r#"
queue = [
  { id = "slow", sticky_seconds = 600 },
  { id = "fast", sticky_seconds = 600, priority_per_minute = 60 },
]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1" }]
rule = [
  { id = "fast", when = { to = "fast@*" }, then = { queue = "fast" } },
  { id = "all", then = { queue = "slow" } },
]
"#,
    );
    let call = |desk: &mut Desk, number: u64, caller: &str, to: &str| {
        desk.pass(1_000);
        let from = format!("sip:{caller}@example.net");
        let facts = Facts {
            from,
            ..call_to(to)
        };
        desk.call_as(number, facts)
    };
    for (number, caller) in [(1, "carl"), (2, "dora"), (3, "emil")] {
        let contact = call(&mut desk, number, caller, "slow");
        let (_, offer, _) = desk.offer();
        desk.answered(offer);
        if number < 3 {
            desk.ended(contact, offer);
        } else {
            call(&mut desk, 4, "carl", "slow");
            call(&mut desk, 5, "dora", "fast");
            call(&mut desk, 6, "frieda", "fast");
            desk.ended(contact, offer);
        }
    }
    assert_eq!(desk.offer().0.0, 5, "before frieda, who came later");
}

// A4
#[test]
fn the_first_phone_for_one_caller_comes_before_the_second_for_another() {
    let mut desk = Desk::new(
        r#"
queue = [{ id = "q", strategy = "ring_all", ring_at_once = 3 }]
agent = [
  { id = "anna", uri = "sip:anna@192.0.2.1" },
  { id = "bert", uri = "sip:bert@192.0.2.2", paused = true },
  { id = "cleo", uri = "sip:cleo@192.0.2.3", paused = true },
]
rule = [{ id = "all", then = { queue = "q" } }]
"#,
    );
    desk.call(1);
    assert_eq!(desk.offer().2, "anna");
    desk.call(2);
    desk.status("bert", Status::Ready);
    assert_eq!(desk.offer().0.0, 2, "a phone rings for the first already");
    desk.status("cleo", Status::Ready);
    assert_eq!(desk.offer().0.0, 1, "phones ring for both");
}
