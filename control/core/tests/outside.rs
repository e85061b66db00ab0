//! Contacts that are carried outside: asked for, answered, reported, forgotten (D13).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, TWO_AGENTS, call_to, session};
use patchbay_core::limits::ASKER_SILENCE;
use patchbay_core::{
    Carried, ContactId, EndCause, Event, Input, OfferFailure, OfferId, Output, Slot, Status, Way,
    What,
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
        medium: Slot::Call,
        way: Way::Outside,
        since: desk.now().unix_ms - 20_000,
        asked_by: None,
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
        Output::Event(event) => Some(&**event),
        _ => None,
    });
    let failed = |event: &&Event| matches!(event.what, What::OfferFailed { .. });
    assert_eq!(events.filter(failed).count(), 1);
}

const CHATS: &str = r#"
queue = [{ id = "q", ring_seconds = 10, max_wait_seconds = 60 }]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1", capacities = { chat = 2 } }]
rule = [{ id = "all", then = { queue = "q" } }]
"#;

/// Asks for an agent in a medium, and answers.
fn served(desk: &mut Desk, contact: u64, medium: Slot) -> (ContactId, OfferId) {
    let contact = ask(desk, contact, medium);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    (contact, offer)
}

fn free_for(desk: &Desk) -> Vec<Slot> {
    desk.snapshot().agents[0].free_for.clone()
}

// A4, A7
#[test]
fn an_agent_has_so_many_chats_and_a_call_beside_them_that_keeps_further_ones_away() {
    let mut desk = Desk::new(CHATS);
    served(&mut desk, 1, Slot::Chat);
    assert!(free_for(&desk).contains(&Slot::Chat));
    let (second, by) = served(&mut desk, 2, Slot::Chat);
    let waits = ask(&mut desk, 3, Slot::Chat);
    assert_eq!(desk.offers(), [], "two chats are enough");
    assert!(
        desk.snapshot().agents[0].available,
        "and leave room for a call"
    );
    let call = desk.call(4);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    assert_eq!(free_for(&desk), []);
    over(&mut desk, second, by);
    assert_eq!(desk.offers(), [], "the call keeps further chats away");
    desk.ended(call, offer);
    assert_eq!(desk.offer().0, waits);
}

// A4
#[test]
fn what_keeps_what_away_is_as_declared() {
    let blocks = "uri = \"sip:anna@192.0.2.1\", blocks = { call = [], chat = [\"call\"] }";
    let text = CHATS.replace("uri = \"sip:anna@192.0.2.1\"", blocks);
    let mut desk = Desk::new(&text);
    let call = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    served(&mut desk, 2, Slot::Chat);
    desk.ended(call, offer);
    desk.call(3);
    assert_eq!(desk.offers(), [], "the chat keeps calls away");
    assert!(free_for(&desk).contains(&Slot::Video));
}

// A4
#[test]
fn an_agent_without_a_medium_gets_nothing_in_it_however_free() {
    let mut desk = Desk::new(&CHATS.replace("chat = 2", "chat = 0, video = 0"));
    ask(&mut desk, 1, Slot::Chat);
    let mut video = call_to("q");
    video.media[0].kind = "video".into();
    video.media[0].codecs = vec!["VP8".into()];
    desk.call_as(2, video);
    assert_eq!(desk.offers(), []);
    desk.call(3);
    assert_eq!(desk.offer().0, ContactId(3));
}

// A4
#[test]
fn of_those_who_take_several_the_one_with_fewer_in_hand_is_next() {
    let text = TWO_AGENTS.replace("max_length = 3", "max_length = 9");
    let mut desk = Desk::new(&text);
    let agents: Vec<String> = (1..=6)
        .map(|contact| {
            ask(&mut desk, contact, Slot::Chat);
            let (_, offer, agent) = desk.offer();
            desk.answered(offer);
            agent
        })
        .collect();
    for pair in agents.chunks(2) {
        assert_ne!(pair[0], pair[1], "{agents:?}");
    }
}

// A4
#[test]
fn wrap_up_follows_what_an_agent_takes_one_at_a_time_of() {
    let text = CHATS.replace(
        "ring_seconds = 10",
        "ring_seconds = 10, wrap_up_seconds = 30",
    );
    let mut desk = Desk::new(&text);
    let (chat, offer) = served(&mut desk, 1, Slot::Chat);
    over(&mut desk, chat, offer);
    assert_eq!(desk.activity("anna"), "idle");
    let (browsing, offer) = served(&mut desk, 2, Slot::Browsing);
    over(&mut desk, browsing, offer);
    assert_eq!(desk.activity("anna"), "wrap_up");
    assert_eq!(free_for(&desk), []);
}

// D13
#[test]
fn a_caller_of_a_queue_that_redirects_is_handed_to_one_agent() {
    let queue = "strategy = \"ring_all\", hand_over = \"redirect\", ring_seconds = 10";
    let mut desk = Desk::new(&TWO_AGENTS.replace("ring_seconds = 10", queue));
    let contact = desk.call(1);
    let ways = desk.said.iter().filter_map(|output| match output {
        Output::Offer { way, .. } => Some(*way),
        _ => None,
    });
    assert_eq!(Vec::from_iter(ways), [Way::Redirect]);
    let (_, offer, agent) = desk.offer();
    desk.answered(offer);
    desk.list(Vec::new());
    assert_eq!(
        desk.activity(&agent),
        "in_call",
        "nobody has said that it is over"
    );
    over(&mut desk, contact, offer);
    assert_eq!(causes(&desk), [EndCause::Reported]);
    ask(&mut desk, 2, Slot::Call);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    let carried = desk.events().into_iter().filter_map(|what| match what {
        What::ContactConnected { carried, .. } => Some(carried),
        _ => None,
    });
    assert_eq!(Vec::from_iter(carried), [Way::Redirect, Way::Outside]);
}

// D13 D14
#[test]
fn a_contact_that_another_queue_took_at_once_is_not_forgotten() {
    let mut desk = Desk::new(
        r#"
queue = [
  { id = "q", overflow = [{ when = "no_agents", queue = "other" }] },
  { id = "other", max_wait_seconds = 600, when_no_agents = "wait" },
]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1", queues = ["other"], skills = { german = 1 } }]
rule = [{ id = "all", then = { queue = "q", skills = { french = 1 }, relax = [{ after_seconds = 30 }] } }]
"#,
    );
    let contact = ask(&mut desk, 1, Slot::Call);
    assert_eq!(desk.offers(), []);
    desk.pass(30_000);
    let (offered, offer, _) = desk.offer();
    assert_eq!(offered, contact, "it asks for no French any more");
    let away = Status::Paused {
        reason: String::new(),
    };
    desk.status("anna", away);
    desk.failed(offer, OfferFailure::Declined, 603);
    let silence = u64::try_from(ASKER_SILENCE.as_millis()).unwrap();
    desk.pass(silence);
    let gone = desk.events().into_iter();
    let gone = gone.filter(|what| matches!(what, What::ContactAbandoned { .. }));
    assert_eq!(gone.count(), 1, "nobody asked about it");
}
