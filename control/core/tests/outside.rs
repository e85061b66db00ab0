//! Contacts that are carried outside: asked for, answered, reported, forgotten (D13).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, TWO_AGENTS, call_to, session};
use patchbay_core::limits::ASKER_SILENCE;
use patchbay_core::{
    Carried, ContactId, EndCause, Event, Input, OfferFailure, OfferId, Output, Slot, Way, What,
};

fn ask(desk: &mut Desk, contact: u64, medium: Slot) -> ContactId {
    let mut facts = call_to("q");
    facts.media.clear();
    facts.medium = Some(medium);
    let contact = ContactId(contact);
    desk.tell(Input::ContactRequested {
        contact,
        facts: Box::new(facts),
    });
    contact
}

fn over(desk: &mut Desk, contact: ContactId, offer: OfferId) {
    desk.tell(Input::ContactEnded {
        contact,
        offer,
        cause: EndCause::Reported,
        by: None,
    });
}

fn causes(desk: &Desk) -> Vec<EndCause> {
    let events = desk.events().into_iter();
    let causes = events.filter_map(|what| match what {
        What::ContactEnded { cause, .. } => Some(cause),
        _ => None,
    });
    causes.collect()
}

// D13, A7
#[test]
fn whoever_asks_gets_an_agent_who_is_then_nobody_elses() {
    let mut desk = Desk::new(ONE_AGENT);
    let asked = ask(&mut desk, 1, Slot::Browsing);
    let typed = desk.events().into_iter().find_map(|what| match what {
        What::ContactTyped { media, .. } => Some(media),
        _ => None,
    });
    assert_eq!(typed.unwrap(), ["browsing"]);
    let ways = desk.said.iter().filter_map(|output| match output {
        Output::Offer { way, .. } => Some(*way),
        _ => None,
    });
    assert_eq!(Vec::from_iter(ways), [Way::Outside]);
    let (_, offer, agent) = desk.offer();
    assert_eq!(
        (agent.as_str(), desk.activity("anna").as_str()),
        ("anna", "reserved")
    );
    desk.answered(offer);
    desk.call(2);
    assert_eq!(desk.offers(), [], "a caller waits for anna, who is busy");
    over(&mut desk, asked, offer);
    assert_eq!(causes(&desk), [EndCause::Reported]);
    assert_eq!(desk.offer().0, ContactId(2));
}

// D13
#[test]
fn the_relays_lists_neither_free_nor_know_what_is_carried_outside() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = ask(&mut desk, 1, Slot::Call);
    let (_, offer, agent) = desk.offer();
    desk.answered(offer);
    let call = desk.call(2);
    let (_, by_relay, other) = desk.offer();
    desk.answered(by_relay);
    desk.pass(1_000);
    desk.list(vec![session(call, by_relay, &other, true)]);
    assert_eq!(desk.activity(&agent), "in_call");
    desk.pass(1_000);
    desk.list(Vec::new());
    assert_eq!(desk.activity(&other), "idle", "the relay has it no longer");
    assert_eq!(desk.activity(&agent), "in_call");
    over(&mut desk, contact, offer);
    assert_eq!(desk.activity(&agent), "idle");
}

// D13
#[test]
fn an_offer_that_is_never_reported_ends_by_the_ring_timer_and_at_once() {
    let mut desk = Desk::new(TWO_AGENTS);
    ask(&mut desk, 1, Slot::Call);
    let (_, first, agent) = desk.offer();
    desk.pass(10_000);
    let (_, second, other) = desk.offer();
    assert_ne!((first, &agent), (second, &other));
    assert_eq!(desk.activity(&agent), "resting", "no guard timer holds it");
    desk.said.clear();
    desk.answered(first);
    assert_eq!(desk.orders(), [], "it was over");
    desk.answered(second);
    let accepted = desk.orders();
    assert!(matches!(accepted[..], [Output::Accept { offer, .. }] if offer == second));
}

// D13
#[test]
fn a_report_that_is_repeated_or_late_changes_nothing() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = ask(&mut desk, 1, Slot::Call);
    let (_, offer, _) = desk.offer();
    for _ in 0..2 {
        desk.tell(Input::OfferRinging { offer });
        desk.answered(offer);
    }
    desk.failed(offer, OfferFailure::Busy, 486);
    assert_eq!(desk.activity("anna"), "in_call");
    for _ in 0..2 {
        over(&mut desk, contact, offer);
    }
    assert_eq!(causes(&desk).len(), 1);
    assert_eq!(desk.activity("anna"), "idle");
}

// D13
#[test]
fn a_contact_about_which_nobody_asks_is_given_up() {
    let mut desk = Desk::new(ONE_AGENT);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    let text = ONE_AGENT.replace("max_wait_seconds = 60", "max_wait_seconds = 3600");
    desk.tell(Input::Configure(common::centre(&text)));
    let silent = ASKER_SILENCE.as_millis() as u64;
    let (kept, lost) = (ask(&mut desk, 2, Slot::Chat), ask(&mut desk, 3, Slot::Chat));
    desk.pass(silent - 1);
    desk.tell(Input::ContactRenewed { contact: kept });
    desk.pass(2);
    let abandoned = desk.events().into_iter().filter_map(|what| match what {
        What::ContactAbandoned { contact, .. } => Some(contact),
        _ => None,
    });
    assert_eq!(Vec::from_iter(abandoned), [lost]);
    assert_eq!(desk.waiting(), [kept.0]);
    assert_eq!(desk.distributor.standing(kept).unwrap().position, 1);
    assert_eq!(desk.distributor.standing(lost), None);
}

// D13
#[test]
fn an_end_that_is_never_reported_is_bounded() {
    let text = format!("{ONE_AGENT}\n[offers]\noutside_seconds = 30\n");
    let mut desk = Desk::new(&text);
    ask(&mut desk, 1, Slot::Chat);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.pass(29_999);
    assert_eq!(desk.activity("anna"), "in_call");
    desk.pass(1);
    assert_eq!(causes(&desk), [EndCause::Unreported]);
    assert_eq!(desk.activity("anna"), "idle");
}

// D13, G1
#[test]
fn what_was_connected_outside_goes_on_in_a_new_process_for_the_rest_of_its_time() {
    let text = format!("{ONE_AGENT}\n[offers]\noutside_seconds = 30\n");
    let mut desk = Desk::new(&text);
    let carried = Carried {
        contact: ContactId(7),
        offer: OfferId(8),
        agent: "anna".into(),
        way: Way::Outside,
        since: desk.now().unix_ms - 20_000,
    };
    for _ in 0..2 {
        desk.tell(Input::OutsideLive(carried.clone()));
    }
    let adopted = |event: &What| matches!(event, What::ContactAdopted { .. });
    assert_eq!(desk.events().iter().filter(|it| adopted(it)).count(), 1);
    desk.list(Vec::new());
    desk.call(1);
    assert_eq!(desk.offers(), []);
    desk.pass(10_000);
    assert_eq!(causes(&desk), [EndCause::Unreported]);
    assert_eq!(desk.offer().0, ContactId(1));
}

// D13
#[test]
fn whoever_gives_up_frees_the_agent_at_once() {
    let mut desk = Desk::new(ONE_AGENT);
    let contact = ask(&mut desk, 1, Slot::Call);
    desk.offer();
    desk.gone(contact);
    assert_eq!(desk.activity("anna"), "idle");
    let events = desk.said.iter().filter_map(|output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    });
    let failed = |event: &&Box<Event>| matches!(event.what, What::OfferFailed { .. });
    assert_eq!(events.filter(failed).count(), 1);
}
