//! Hold and transfers, as the relay tells them of calls that stand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::{ContactId, Input, OfferId, What};
use patchbay_route::session::EndedBy;

/// A call of anna's.
fn in_call() -> (Desk, OfferId) {
    let mut desk = Desk::new(
        r#"
queue = [{ id = "a" }]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1" }]
rule = [{ id = "all", then = { queue = "a" } }]
"#,
    );
    desk.call_as(1, call_to("a"));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
    (desk, offer)
}

fn told(desk: &mut Desk) -> Vec<String> {
    let events = std::mem::take(&mut desk.said).into_iter();
    let told = events.filter_map(|output| match output {
        patchbay_core::Output::Event(event) => match event.what {
            What::ContactHeld { by, .. } => Some(format!("held by {by:?}")),
            What::ContactResumed { held_ms, .. } => Some(format!("resumed after {held_ms}")),
            What::ContactTransferred { by, to, .. } => Some(format!("{by:?} transfers to {to}")),
            What::ContactEnded { .. } => Some("ended".to_owned()),
            _ => None,
        },
        _ => None,
    });
    told.collect()
}

fn hold(desk: &mut Desk, offer: OfferId, by: Option<EndedBy>) {
    desk.tell(Input::OfferHeld { offer, by });
}

#[test]
fn each_hold_is_told_once_and_ends_once() {
    let (mut desk, offer) = in_call();
    hold(&mut desk, offer, None);
    hold(&mut desk, offer, Some(EndedBy::Agent));
    hold(&mut desk, offer, Some(EndedBy::Client));
    desk.pass(7_000);
    hold(&mut desk, offer, None);
    hold(&mut desk, offer, None);
    assert_eq!(told(&mut desk), ["held by Agent", "resumed after 7000"]);
    hold(&mut desk, offer, Some(EndedBy::Client));
    desk.pass(2_000);
    desk.ended(ContactId(1), offer);
    let end = ["held by Client", "resumed after 2000", "ended"];
    assert_eq!(told(&mut desk), end, "a call that ends is on hold no more");
    let before = desk.distributor.counters().dropped_late;
    hold(&mut desk, offer, Some(EndedBy::Agent));
    assert_eq!(told(&mut desk), [""; 0]);
    assert_eq!(desk.distributor.counters().dropped_late, before + 1);
}

#[test]
fn a_transfer_is_told_and_changes_nothing() {
    let (mut desk, offer) = in_call();
    desk.tell(Input::OfferTransferred {
        offer,
        by: EndedBy::Agent,
        to: "sip:bert@example.com".to_owned(),
    });
    let transferred = ["Agent transfers to sip:bert@example.com"];
    assert_eq!(told(&mut desk), transferred);
    assert_eq!(desk.snapshot().queues[0].connected, 1);
}
