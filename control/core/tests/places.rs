//! Callers who wait keep their places when control is started anew (A4).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::{ContactId, Facts, Input, KeptPlace, Output, RefuseReason, Status, What};

const CENTRE: &str = r#"
queue = [
  { id = "q", ring_seconds = 10, max_wait_seconds = 300, call_back = {}, waiting = {}, overflow = [
    { when = "waited", after_seconds = 60, queue = "other" },
    { when = "pressed", key = "1", call_back = true },
  ] },
  { id = "other", ring_seconds = 10, max_wait_seconds = 600 },
]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1", queues = ["q", "other"], skills = { a = 2 } }]
rule = [
  { id = "first", when = { to = "first@*" }, then = { queue = "q", priority = 9 } },
  { id = "able", when = { to = "able@*" }, then = { queue = "q", skills = { a = 5 }, relax = [
    { after_seconds = 40, skills = { a = 1 } },
  ] } },
  { id = "all", then = { queue = "q" } },
]
"#;

/// A centre that has been there for an hour, with its agent in a call.
fn busy() -> (Desk, ContactId, patchbay_core::OfferId) {
    let mut desk = Desk::new(CENTRE);
    desk.pass(3_600_000);
    let first = desk.call_as(99, call_to("q"));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
    (desk, first, offer)
}

fn paused() -> Status {
    Status::Paused {
        reason: String::new(),
    }
}

/// The next process, some time later.
fn after(desk: &Desk, ms: u64) -> (Desk, ContactId, patchbay_core::OfferId) {
    let mut next = Desk::new(CENTRE);
    next.ms = desk.ms + ms;
    let first = next.call_as(98, call_to("q"));
    let (_, offer, _) = next.offer();
    next.answered(offer);
    next.said.clear();
    (next, first, offer)
}

/// What was told last of each caller, as it travels.
fn places(desk: &Desk) -> Vec<KeptPlace> {
    let mut places: Vec<KeptPlace> = Vec::new();
    for output in &desk.said {
        if let Output::KeepPlace(place) = output {
            places.retain(|one| one.contact != place.contact);
            places.push(KeptPlace::clone(place));
        }
    }
    let json = serde_json::to_string(&places).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn comes_again(desk: &mut Desk, place: &KeptPlace, facts: Facts) {
    let place = Box::new(place.clone());
    let facts = Box::new(facts);
    let in_call = false;
    desk.tell(Input::PlaceKept {
        place,
        facts,
        in_call,
    });
}

fn refused(desk: &Desk) -> Vec<(u64, RefuseReason)> {
    let refusals = desk.said.iter().filter_map(|output| match output {
        Output::Refuse { contact, why, .. } => Some((contact.0, *why)),
        _ => None,
    });
    refusals.collect()
}

// A4
#[test]
fn who_waited_before_waits_before_those_who_come_after_the_start() {
    let (mut desk, ..) = busy();
    desk.call_as(1, call_to("q"));
    desk.pass(5_000);
    desk.call_as(2, call_to("first"));
    desk.pass(5_000);
    desk.call_as(3, call_to("q"));
    let kept = places(&desk);
    assert_eq!(kept.len(), 3);

    let (mut next, first, offer) = after(&desk, 2_000);
    next.call_as(10, call_to("q"));
    for place in kept.iter().rev() {
        comes_again(&mut next, place, call_to("q"));
    }
    assert_eq!(next.waiting(), [2, 1, 3, 10]);
    let waited = next.events().into_iter().find_map(|what| match what {
        What::ContactKept {
            contact: ContactId(1),
            waited_ms,
            ..
        } => Some(waited_ms),
        _ => None,
    });
    assert_eq!(waited, Some(12_000));
    next.ended(first, offer);
    assert_eq!(next.offer().0, ContactId(2));
    let told = places(&next);
    let again = told.iter().find(|place| place.contact == ContactId(1));
    assert_eq!(again, Some(&kept[0]), "for the process after that");
}

// A4
#[test]
fn the_time_before_the_start_counts_for_overflow_relaxing_and_the_longest_wait() {
    let (mut desk, ..) = busy();
    desk.call_as(1, call_to("q"));
    desk.call_as(2, call_to("able"));
    let kept = places(&desk);
    let (mut next, ..) = after(&desk, 30_000);
    for place in &kept {
        comes_again(&mut next, place, call_to("q"));
    }
    next.pass(9_000);
    let relaxed = |desk: &Desk| {
        let events = desk.events().into_iter();
        events
            .filter(|what| matches!(what, What::ContactRelaxed { .. }))
            .count()
    };
    assert_eq!(relaxed(&next), 0);
    next.pass(1_001);
    assert_eq!(relaxed(&next), 1, "40 s after the arrival");
    let moved = |desk: &Desk| {
        let events = desk.events().into_iter();
        events
            .filter(|what| matches!(what, What::ContactMoved { .. }))
            .count()
    };
    next.pass(19_000);
    assert_eq!(moved(&next), 0);
    next.pass(1_000);
    assert_eq!(moved(&next), 2, "60 s after the arrival");
    let there = places(&next);
    assert!(
        there
            .iter()
            .all(|place| place.typed.queue.as_str() == "other")
    );
    assert!(there.iter().all(|place| place.before == ["q".into()]));

    // In the third process they may not go back, and have waited long enough in time.
    let (mut third, ..) = after(&next, 590_000);
    for place in &there {
        comes_again(&mut third, place, call_to("q"));
    }
    assert_eq!(refused(&third), []);
    third.pass(12_000);
    let why = RefuseReason::WaitedTooLong;
    assert_eq!(refused(&third), [(1, why), (2, why)]);
}

// A4
#[test]
fn a_free_agent_takes_them_at_once_and_a_queue_that_is_gone_has_them_typed_anew() {
    let (mut desk, ..) = busy();
    desk.call_as(1, call_to("q"));
    let mut kept = places(&desk);
    let mut next = Desk::new(CENTRE);
    next.ms = desk.ms + 1_000;
    comes_again(&mut next, &kept[0], call_to("q"));
    assert_eq!(next.offer().0, ContactId(1));

    let (mut next, ..) = after(&desk, 1_000);
    kept[0].typed.queue = "closed".into();
    next.call_as(10, call_to("q"));
    comes_again(&mut next, &kept[0], call_to("q"));
    assert_eq!(next.waiting(), [10, 1]);
    let typed = |what: &What| {
        matches!(
            what,
            What::ContactTyped {
                contact: ContactId(1),
                ..
            }
        )
    };
    assert!(next.events().iter().any(typed));
}

// A4 E5
#[test]
fn nobody_waits_twice_and_who_was_promised_a_call_is_let_go() {
    let (mut desk, ..) = busy();
    desk.call_as(1, call_to("q"));
    let kept = places(&desk);
    desk.pass(1);
    let facts = Facts {
        from: "sip:c@example.net".into(),
        ..call_to("q")
    };
    let contact = desk.call_as(2, facts.clone());
    let promised_place = places(&desk)[1].clone();
    desk.tell(Input::ContactPressed { contact, key: '1' });
    let promise = desk.said.iter().find_map(|output| match output {
        Output::KeepCallBack(promise) => Some(promise.clone()),
        _ => None,
    });

    let (mut next, ..) = after(&desk, 1_000);
    next.tell(Input::CallBackKept(promise.expect("a promise")));
    comes_again(&mut next, &promised_place, facts);
    assert_eq!(refused(&next), [(2, RefuseReason::CalledBack)]);
    next.said.clear();
    comes_again(&mut next, &kept[0], call_to("q"));
    comes_again(&mut next, &kept[0], call_to("q"));
    assert_eq!(refused(&next), [(1, RefuseReason::ServedAlready)]);
    assert_eq!(next.waiting(), [1, 2]);
}

// A4 D14
#[test]
fn who_waits_in_a_call_hears_on_and_is_not_let_hear_anew() {
    let answers = CENTRE.replace("waiting = {}", "waiting = { answer = true }");
    let mut desk = Desk::new(&answers);
    desk.pass(3_600_000);
    desk.status("anna", paused());
    desk.call_as(1, call_to("q"));
    let kept = places(&desk);
    let mut next = Desk::new(&answers);
    next.ms = desk.ms + 1_000;
    next.status("anna", paused());
    let place = Box::new(kept[0].clone());
    next.tell(Input::PlaceKept {
        place,
        facts: Box::new(call_to("q")),
        in_call: true,
    });
    let hears = |desk: &Desk| {
        let said = desk.said.iter();
        said.filter(|output| matches!(output, Output::Hear { .. }))
            .count()
    };
    assert_eq!(hears(&next), 0);
    let said = |desk: &Desk| {
        let said = desk.said.iter();
        said.filter(|output| matches!(output, Output::Say { .. }))
            .count()
    };
    assert_eq!(said(&next), 1, "the music as it is declared");
    next.pass(20_000);
    assert_eq!(said(&next), 2, "an announcement");
}

// A4
#[test]
fn who_came_in_the_same_millisecond_keeps_the_order() {
    let (mut desk, ..) = busy();
    for contact in 1..=6 {
        desk.call_as(contact, call_to("q"));
    }
    let kept = places(&desk);
    let mut next = Desk::new(CENTRE);
    next.ms = desk.ms + 1_000;
    next.status("anna", paused());
    // The clocks do not tick together: one is read in milliseconds.
    for (number, place) in kept.iter().enumerate() {
        let mut now = next.now();
        now.mono += core::time::Duration::from_micros(150 * number as u64);
        now.unix_ms += u64::from(number > 2);
        let input = Input::PlaceKept {
            place: Box::new(place.clone()),
            facts: Box::new(call_to("q")),
            in_call: false,
        };
        next.distributor.handle(input, now);
    }
    assert_eq!(next.waiting(), [1, 2, 3, 4, 5, 6]);
}
