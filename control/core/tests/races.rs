//! What crosses on the way: each race has one outcome, and nobody stays stuck.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, TWO_AGENTS, session};
use patchbay_core::{EndCause, Input, OfferEnd, OfferFailure, Output, Status, What};
use std::time::Duration;

// A5: the ring timer moves on, the first agent's answer crosses the CANCEL and wins.
#[test]
fn an_answer_that_crosses_the_cancel_wins_over_the_next_offer() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, first, _) = desk.offer();
    desk.pass(10_000);
    let (_, second, _) = desk.offer();
    desk.said.clear();
    desk.answered(first);
    assert_eq!(
        desk.orders(),
        [
            Output::Accept {
                contact,
                offer: first
            },
            Output::CancelOffer {
                contact,
                offer: second
            }
        ]
    );
    assert_eq!(
        (desk.activity("anna"), desk.activity("bert")),
        ("in_call".into(), "reserved".into())
    );
    desk.failed(second, OfferFailure::NoAnswer, 487);
    assert_eq!(desk.activity("bert"), "idle", "not its doing: no rest");
    desk.ended(contact, first);
    assert_eq!(desk.activity("anna"), "idle");
    assert_eq!(desk.distributor.held().legs, 0);
}

// A5: both answer. One is connected, the other's session is ended.
#[test]
fn of_two_answers_one_is_connected_and_the_other_ended() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, first, _) = desk.offer();
    desk.pass(10_000);
    let (_, second, agent) = desk.offer();
    desk.answered(first);
    desk.said.clear();
    desk.answered(second);
    let end = Output::EndSession {
        contact,
        offer: second,
        agent: agent.as_str().into(),
    };
    let failed = desk.events().into_iter().find_map(|what| match what {
        What::OfferFailed { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(failed, Some(OfferEnd::AnsweredElsewhere));
    assert_eq!(desk.orders(), [end]);
    assert_eq!(
        desk.activity("bert"),
        "in_call",
        "until its session is over"
    );
    desk.ended(contact, second);
    assert_eq!(
        (desk.activity("anna"), desk.activity("bert")),
        ("in_call".into(), "idle".into())
    );
}

// A5: the caller hangs up while the phone rings; the phone is answered at that moment.
#[test]
fn an_answer_after_the_caller_has_gone_keeps_the_agent_busy_until_its_end() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.gone(contact);
    assert!(
        desk.orders()
            .contains(&Output::CancelOffer { contact, offer })
    );
    desk.call(2);
    assert!(desk.offers().is_empty(), "the phone is still ringing");
    desk.said.clear();
    desk.answered(offer);
    assert!(matches!(desk.orders()[..], [Output::EndSession { .. }]));
    assert_eq!(desk.activity("anna"), "in_call");
    desk.ended(contact, offer);
    assert_eq!(desk.offer().0.0, 2, "the freed agent looks at the queue");
}

// A5
#[test]
fn a_caller_who_gives_up_while_waiting_leaves_nothing_behind() {
    let mut desk = Desk::new(ONE_AGENT);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    let second = desk.call(2);
    assert_eq!(desk.waiting(), [2]);
    desk.said.clear();
    desk.gone(second);
    assert!(matches!(
        desk.events()[..],
        [What::ContactAbandoned { agent: None, .. }]
    ));
    assert!(desk.orders().is_empty());
    assert_eq!(desk.waiting(), [0u64; 0]);
    desk.gone(second);
    assert_eq!(desk.distributor.counters().dropped_unknown_contact, 1);
}

#[test]
fn a_cancel_after_the_answer_has_no_effect() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
    desk.gone(contact);
    assert!(desk.said.is_empty());
    assert_eq!(desk.activity("anna"), "in_call");
    assert_eq!(desk.distributor.counters().dropped_late, 1);
}

// The relay's report of the end overtakes the answer.
#[test]
fn an_end_before_its_answer_puts_the_caller_back_in_its_place() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.call(2);
    desk.ended(contact, offer);
    assert_eq!(desk.waiting(), [1, 2], "the place is kept");
    desk.said.clear();
    desk.answered(offer);
    assert!(desk.said.is_empty(), "that session is over");
    desk.pass(5_000);
    assert_eq!(
        desk.offer().0,
        contact,
        "after the agent's rest it is the first again"
    );
}

#[test]
fn what_is_repeated_or_unknown_is_dropped_and_counted() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.call(1);
    desk.answered(offer);
    desk.answered(offer);
    desk.failed(offer, OfferFailure::Busy, 486);
    desk.ended(contact, offer);
    desk.said.clear();
    desk.ended(contact, offer);
    desk.answered(offer);
    desk.failed(offer, OfferFailure::Busy, 486);
    desk.call(1);
    desk.answered(patchbay_core::OfferId(77));
    desk.tell(Input::OfferRinging { offer });
    desk.reachable("nobody", true);
    desk.status("nobody", Status::Ready);
    assert!(desk.said.is_empty(), "{:?}", desk.said);
    let counters = desk.distributor.counters();
    assert_eq!(counters.dropped_repeated_contact, 2);
    assert_eq!(counters.dropped_late, 5);
    assert_eq!(counters.dropped_unknown_offer, 2);
    assert_eq!(counters.dropped_unknown_agent, 2);
    assert_eq!((counters.connected, counters.ended), (1, 1));
}

// The relay never says how a cancelled offer ended.
#[test]
fn the_guard_timer_frees_an_agent_that_nobody_spoke_of() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.gone(contact);
    desk.pass(34_999);
    assert_eq!(desk.activity("anna"), "reserved");
    desk.pass(1);
    assert_eq!(desk.activity("anna"), "resting");
    desk.pass(5_000);
    assert_eq!(desk.activity("anna"), "idle");
    // An answer still later is a session that nobody wants.
    desk.said.clear();
    desk.answered(offer);
    assert!(matches!(desk.orders()[..], [Output::EndSession { .. }]));
    assert_eq!(desk.activity("anna"), "in_call");
    desk.pass(30_000);
    assert!(desk.orders().contains(&Output::ListSessions));
    desk.list(Vec::new());
    assert_eq!(desk.activity("anna"), "idle");
}

// G1: the end of a call was never reported.
#[test]
fn a_call_that_the_relay_no_longer_has_is_over() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.pass(30_000);
    assert!(desk.orders().contains(&Output::ListSessions));
    desk.list(vec![session(contact, offer, "anna", true)]);
    assert_eq!(desk.activity("anna"), "in_call");
    desk.pass(30_000);
    desk.said.clear();
    desk.list(Vec::new());
    let gone = |what: &What| {
        matches!(
            what,
            What::ContactEnded {
                cause: EndCause::Gone,
                talk_ms: 60_000,
                ..
            }
        )
    };
    assert!(desk.events().iter().any(gone));
    assert_eq!(desk.activity("anna"), "idle");
}

// G1: a list that is older than what we know.
#[test]
fn an_old_list_neither_ends_a_new_call_nor_revives_an_old_one() {
    let mut desk = Desk::new(TWO_AGENTS);
    let first = desk.call(1);
    let (_, old, _) = desk.offer();
    desk.answered(old);
    let asked = Duration::from_millis(desk.ms);
    desk.ms += 10;
    desk.ended(first, old);
    let second = desk.call(2);
    let (_, new, _) = desk.offer();
    desk.answered(new);
    desk.said.clear();
    let sessions = vec![session(first, old, "anna", true)];
    desk.tell(Input::SessionsLive { sessions, asked });
    assert!(desk.said.is_empty(), "{:?}", desk.said);
    let contacts: Vec<_> = desk.snapshot().contacts.iter().map(|c| c.id).collect();
    assert_eq!(contacts, [second]);
}

// G1: a new control process meets the calls of the one before.
#[test]
fn calls_of_an_earlier_process_are_adopted_and_free_their_agents_at_their_end() {
    let mut desk = Desk::new(TWO_AGENTS);
    let (contact, offer) = (patchbay_core::ContactId(9), patchbay_core::OfferId(99));
    let ringing = patchbay_core::OfferId(98);
    desk.list(vec![
        session(contact, offer, "anna", true),
        session(patchbay_core::ContactId(8), ringing, "zoe", false),
    ]);
    assert!(matches!(desk.orders()[..], [Output::EndSession { offer, .. }] if offer == ringing));
    assert_eq!(desk.activity("anna"), "in_call");
    assert_eq!(
        desk.activity("zoe"),
        "in_call",
        "not declared, and held until its end"
    );
    desk.call(1);
    assert_eq!(desk.offer().2, "bert");
    desk.ended(patchbay_core::ContactId(8), ringing);
    assert_eq!(desk.snapshot().agents.len(), 2);
    desk.said.clear();
    desk.ended(contact, offer);
    assert!(
        desk.events()
            .iter()
            .any(|w| matches!(w, What::ContactEnded { queue: None, .. }))
    );
    assert_eq!(desk.activity("anna"), "idle");
}

// An agent that leaves while its phone rings.
#[test]
fn logging_out_takes_the_offer_back_and_a_pause_does_not() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, offer, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.status(
        "anna",
        Status::Paused {
            reason: "tea".into(),
        },
    );
    assert!(desk.offers().is_empty());
    desk.status("anna", Status::LoggedOut);
    assert_eq!(desk.offer().2, "bert");
    assert!(
        desk.orders()
            .contains(&Output::CancelOffer { contact, offer })
    );
    desk.failed(offer, OfferFailure::NoAnswer, 487);
    assert_eq!(desk.activity("anna"), "idle");
    assert!(!desk.snapshot().agents[0].available);
}
