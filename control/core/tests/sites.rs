//! Contacts that come from another centre with their queue and the time that they have waited (D12).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, TWO_AGENTS, call_to, centre};
use patchbay_core::limits::MAX_ASKED_WISHES;
use patchbay_core::{ContactId, Input, Named, OfferFailure, Output, RefuseReason, Slot, Way, What};
use std::collections::BTreeMap;
use std::time::Duration;

/// One agent of two queues, and no rule that leads to the second.
const SHARED: &str = r#"
queue = [
  { id = "q", ring_seconds = 10, max_wait_seconds = 60 },
  { id = "shared", ring_seconds = 10, max_wait_seconds = 60 },
]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1", skills = { french = 5 } }]
rule = [{ id = "all", then = { queue = "q" } }]
"#;

fn from_lyon(queue: &str, waited_s: u64) -> Named {
    Named {
        queue: queue.into(),
        skills: BTreeMap::new(),
        priority: 0,
        waited: Duration::from_secs(waited_s),
        by: "lyon".into(),
    }
}

fn ask(desk: &mut Desk, contact: u64, named: Named) -> ContactId {
    let mut facts = call_to("nobody-knows");
    facts.media.clear();
    facts.medium = Some(Slot::Call);
    facts.named = Some(Box::new(named));
    let contact = ContactId(contact);
    let facts = Box::new(facts);
    desk.tell(Input::ContactRequested { contact, facts });
    contact
}

fn refused(desk: &Desk) -> Vec<RefuseReason> {
    let refusals = desk.said.iter().filter_map(|output| match output {
        Output::Refuse { why, .. } => Some(*why),
        _ => None,
    });
    refusals.collect()
}

// D12
#[test]
fn one_that_names_its_queue_waits_there_whatever_the_rules_say() {
    let mut desk = Desk::new(SHARED);
    let contact = ask(&mut desk, 1, from_lyon("shared", 7));
    let typed = desk.events().into_iter().find_map(|what| match what {
        What::ContactTyped {
            rule,
            call_type,
            queue,
            because,
            ..
        } => Some((rule.to_string(), call_type, queue.to_string(), because)),
        _ => None,
    });
    let because = "lyon names the queue, and it has waited there for 7 s";
    let expected = (
        "lyon".to_owned(),
        "lyon".to_owned(),
        "shared".to_owned(),
        vec![because.to_owned()],
    );
    assert_eq!(typed, Some(expected));
    let (offered, offer, agent) = desk.offer();
    assert_eq!((offered, agent.as_str()), (contact, "anna"));
    desk.answered(offer);
    assert_eq!(desk.activity("anna"), "in_call");
}

// D12
#[test]
fn it_has_the_place_of_one_that_has_waited_here_for_as_long() {
    let text = TWO_AGENTS
        .replace("max_length = 3", "max_length = 9")
        .replace("{ id = \"bert\", uri = \"sip:bert@192.0.2.2\" },", "");
    let mut desk = Desk::new(&text);
    let busy = desk.call(1);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.pass(20_000);
    desk.call(2);
    desk.pass(10_000);
    desk.call(3);
    // It came to the other centre between the two, the next one after both, the last before all.
    ask(&mut desk, 4, from_lyon("q", 5));
    ask(&mut desk, 5, from_lyon("q", 0));
    ask(&mut desk, 6, from_lyon("q", 20));
    assert_eq!(desk.waiting(), [6, 2, 4, 3, 5]);
    assert_eq!(desk.distributor.standing(ContactId(4)).unwrap().position, 3);
    desk.tell(Input::Configure(centre(&text)));
    assert_eq!(desk.waiting(), [6, 2, 4, 3, 5], "a declaration keeps it");
    desk.ended(busy, offer);
    assert_eq!(desk.offer().0, ContactId(6));
}

// D12
#[test]
fn a_wait_elsewhere_counts_where_priority_grows_and_only_up_to_its_limit() {
    let text = SHARED.replace(
        "id = \"shared\",",
        "id = \"shared\", priority_per_minute = 2,",
    );
    let mut desk = Desk::new(&text);
    desk.pass(3_600_000);
    desk.call(1);
    let (_, offer, _) = desk.offer();
    let first = ContactId(1);
    desk.answered(offer);
    let important = Named {
        priority: 10,
        ..from_lyon("shared", 0)
    };
    ask(&mut desk, 2, important);
    let patient = ask(&mut desk, 3, from_lyon("shared", 301));
    let other = ask(&mut desk, 4, from_lyon("shared", 299));
    let endless = ask(&mut desk, 5, from_lyon("shared", u64::MAX));
    desk.gone(endless);
    desk.ended(first, offer);
    assert_eq!(desk.offer().0, patient);
    desk.gone(patient);
    assert_eq!(desk.offer().0, ContactId(2));
    desk.gone(ContactId(2));
    assert_eq!(desk.offer().0, other);
}

// D12
#[test]
fn skills_that_it_names_are_asked_for_and_what_cannot_be_served_is_refused() {
    let mut desk = Desk::new(SHARED);
    let wish = |skill: &str, level| Named {
        skills: BTreeMap::from([(skill.to_owned(), level)]),
        ..from_lyon("shared", 0)
    };
    ask(&mut desk, 1, wish("french", 6));
    assert_eq!(desk.offers(), [], "nobody has as much of it");
    let contact = ask(&mut desk, 2, wish("french", 5));
    assert_eq!(desk.offer().0, contact);
    desk.said.clear();
    ask(&mut desk, 3, from_lyon("removed", 0));
    assert_eq!(refused(&desk), [RefuseReason::QueueRemoved]);
    desk.said.clear();
    let most = u64::try_from(MAX_ASKED_WISHES).unwrap();
    for number in 0..most {
        let contact = ask(&mut desk, 10 + number, wish(&format!("skill{number}"), 1));
        desk.gone(contact);
    }
    assert_eq!(refused(&desk).last(), Some(&RefuseReason::TooManySkills));
}

// D12
#[test]
fn what_the_declaration_does_not_allow_is_told_by_its_field() {
    let centre = centre(SHARED);
    assert_eq!(from_lyon("shared", 0).problems(&centre), []);
    let wrong = Named {
        skills: BTreeMap::from([("french".to_owned(), 101)]),
        priority: 1_001,
        ..from_lyon("sales", 0)
    };
    let problems = wrong.problems(&centre);
    let paths: Vec<&str> = problems.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["queue", "skills.french", "priority"]);
}

// D12
#[test]
fn its_asker_calls_here_and_is_led_to_that_agent_alone() {
    let mut desk = Desk::new(SHARED);
    let contact = ask(&mut desk, 1, from_lyon("shared", 7));
    let (_, offer, _) = desk.offer();
    assert!(desk.distributor.may_claim(contact, offer));
    desk.pass(8_000);
    desk.tell(Input::ContactClaimed { contact, offer });
    let again = desk.said.iter().find_map(|output| match output {
        Output::Offer { offer, way, .. } => Some((*offer, *way)),
        _ => None,
    });
    assert_eq!(again, Some((offer, Way::Relay)));
    assert!(!desk.distributor.may_claim(contact, offer), "once");
    desk.said.clear();
    desk.pass(9_999);
    assert_eq!(
        desk.activity("anna"),
        "reserved",
        "it rings from the claim on"
    );
    desk.answered(offer);
    assert_eq!(desk.activity("anna"), "in_call");
    desk.list(vec![]);
    assert_eq!(desk.activity("anna"), "in_call");
    desk.pass(1);
    desk.list(vec![]);
    assert_eq!(
        desk.activity("anna"),
        "idle",
        "the relay's lists count for it"
    );
}

// D12
#[test]
fn a_claimed_contact_whose_agent_fails_is_refused_and_one_too_late_is_no_claim() {
    let mut desk = Desk::new(&SHARED.replace(
        "agent = [",
        "agent = [{ id = \"bert\", uri = \"sip:bert@192.0.2.2\", tiers = { shared = 2 } },",
    ));
    let contact = ask(&mut desk, 1, from_lyon("shared", 7));
    let (_, offer, _) = desk.offer();
    desk.tell(Input::ContactClaimed { contact, offer });
    desk.offers();
    desk.failed(offer, OfferFailure::Busy, 486);
    assert_eq!(
        desk.offers(),
        [],
        "the other centre looks for another agent itself"
    );
    assert_eq!(refused(&desk), [RefuseReason::AgentUnavailable]);
    let late = ask(&mut desk, 2, from_lyon("shared", 0));
    let (_, offer, _) = desk.offer();
    desk.gone(late);
    assert!(!desk.distributor.may_claim(late, offer));
    desk.said.clear();
    desk.tell(Input::ContactClaimed {
        contact: late,
        offer,
    });
    assert_eq!(desk.said, []);
}
