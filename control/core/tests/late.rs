//! Contacts that were not answered in time, where those who still can be go first (A4).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to, centre};
use patchbay_core::{ContactId, Input, OfferFailure, What};

const IN_TIME: &str = r#"
queue = [
  { id = "q", ring_seconds = 10, max_wait_seconds = 600, service_level = { seconds = 20, percent = 80, late = "behind" } },
  { id = "other", ring_seconds = 10, max_wait_seconds = 600 },
]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1" }]
rule = [
  { id = "first", when = { to = "first@*" }, then = { queue = "q", priority = 9 } },
  { id = "other", when = { to = "other@*" }, then = { queue = "other" } },
  { id = "all", then = { queue = "q" } },
]
"#;

/// Anna is in a call, and these have waited for so many seconds.
fn waiting(desk: &mut Desk, waits: &[(u64, &str, u64)]) -> (ContactId, patchbay_core::OfferId) {
    let busy = desk.call(99);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    let mut passed = 0;
    let longest = waits.iter().map(|(_, _, seconds)| *seconds).max().unwrap();
    for (contact, to, seconds) in waits {
        desk.pass((longest - seconds - passed) * 1_000);
        passed = longest - seconds;
        desk.call_as(*contact, call_to(to));
    }
    desk.pass((longest - passed) * 1_000);
    (busy, offer)
}

fn late(desk: &Desk) -> Vec<u64> {
    let late = desk.events().into_iter().filter_map(|what| match what {
        What::ContactLate { contact, .. } => Some(contact.0),
        _ => None,
    });
    late.collect()
}

// A4
#[test]
fn those_who_can_be_answered_in_time_go_first() {
    let mut desk = Desk::new(IN_TIME);
    let (busy, offer) = waiting(
        &mut desk,
        &[(1, "q", 45), (2, "first", 30), (3, "q", 19), (4, "q", 5)],
    );
    assert_eq!(late(&desk), [1, 2]);
    assert_eq!(desk.waiting(), [3, 4, 2, 1], "the late ones in their order");
    desk.pass(1_000);
    assert_eq!(desk.waiting(), [4, 2, 1, 3]);
    assert_eq!(desk.distributor.standing(ContactId(4)).unwrap().position, 1);
    desk.ended(busy, offer);
    assert_eq!(desk.offer().0, ContactId(4));
}

// A4
#[test]
fn a_late_one_is_behind_those_of_other_queues_and_served_when_nobody_else_waits() {
    let mut desk = Desk::new(IN_TIME);
    let (busy, offer) = waiting(&mut desk, &[(1, "first", 45), (2, "other", 40)]);
    desk.ended(busy, offer);
    let (contact, offer, _) = desk.offer();
    assert_eq!(contact, ContactId(2));
    desk.answered(offer);
    desk.ended(contact, offer);
    let (contact, offer, _) = desk.offer();
    assert_eq!(contact, ContactId(1));
    // It keeps what it has when its phone was not answered.
    desk.failed(offer, OfferFailure::Busy, 486);
    assert_eq!(desk.waiting(), [1]);
}

// A4
#[test]
fn who_becomes_late_while_a_phone_rings_is_answered_all_the_same() {
    let mut desk = Desk::new(IN_TIME);
    desk.pass(1_000);
    let busy = desk.call(9);
    let (_, first, _) = desk.offer();
    desk.answered(first);
    desk.call(1);
    desk.pass(15_000);
    desk.ended(busy, first);
    let (contact, offer, _) = desk.offer();
    desk.call(2);
    desk.pass(6_000);
    assert_eq!(late(&desk), [1]);
    assert_eq!(desk.waiting(), [2, 1]);
    desk.answered(offer);
    assert_eq!(
        (contact, desk.activity("anna").as_str()),
        (ContactId(1), "in_call")
    );
    assert_eq!(desk.distributor.held().contacts, 2);
}

// A4
#[test]
fn a_declaration_that_keeps_the_order_gives_places_back() {
    let mut desk = Desk::new(IN_TIME);
    waiting(&mut desk, &[(1, "q", 45), (2, "q", 5)]);
    assert_eq!(desk.waiting(), [2, 1]);
    desk.tell(Input::Configure(centre(
        &IN_TIME.replace("behind", "in_order"),
    )));
    assert_eq!(desk.waiting(), [1, 2]);
    desk.said.clear();
    desk.tell(Input::Configure(centre(IN_TIME)));
    assert_eq!((late(&desk), desk.waiting()), (vec![1], vec![2, 1]));
}
