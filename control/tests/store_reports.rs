//! Reports are folds over events: they agree with a recount, and parts add up to the whole (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use std::collections::BTreeMap;

use patchbay_control::report::{By, Fold, Key, Subject, Sums, Terms};
use patchbay_control::story::Range;
use patchbay_core::centre::OverflowWhen;
use patchbay_core::{
    Activity, AgentId, ContactId, Event, OfferEnd, QueueId, RefuseReason, Status, What,
};
use proptest::prelude::*;
use store_support::{
    abandoned, connected_by, ended_by, event, failed, in_call, moved, offered, paused, queued,
    redirected, refused_for, second_agent_answers, state, status, typed, typed_for,
};

const HOUR: u64 = 3_600_000;
const THRESHOLD: u64 = 20_000;

fn terms(by: By, from: u64, to: u64, step_ms: Option<u64>) -> Terms {
    Terms {
        range: Range { from, to },
        step_ms,
        threshold_ms: THRESHOLD,
        by,
    }
}

/// The rows of a range, from all events: those before it tell what agents did.
fn fold(events: &[Event], terms: Terms, now: u64) -> BTreeMap<Key, Sums> {
    let mut fold = Fold::new(terms);
    for event in events {
        match event.unix_ms < terms.range.from {
            true => fold.before(event),
            false => fold.take(event).unwrap(),
        }
    }
    fold.finish(now).unwrap()
}

fn queue(rows: &BTreeMap<Key, Sums>, from: u64, name: &str) -> Sums {
    let key = (from, Subject::Queue(QueueId::new(name)));
    rows.get(&key).cloned().unwrap_or_default()
}

#[test]
fn a_call_counts_where_it_arrived_with_all_that_came_of_it() {
    let events = second_agent_answers();
    let rows = fold(&events, terms(By::Queue, 0, 11_000, None), 100_000);
    let sums = queue(&rows, 0, "support");
    assert_eq!(
        (sums.offered, sums.answered, sums.answered_within),
        (1, 1, 1)
    );
    assert_eq!((sums.talks.sum_ms, sums.wrap_up_ms), (60_000, 3_500));
    assert_eq!(sums.handling_ms(), Some(63_500));
    assert_eq!(sums.waits.quantile_ms(0.99), Some(6_500));
    assert_eq!(sums.service_level(), Some(1.0));
    // It is not counted in the time in which it was answered and ended.
    let later = fold(&events, terms(By::Queue, 11_000, 100_000, None), 100_000);
    assert!(later.is_empty(), "{later:?}");
}

#[test]
fn agents_are_told_apart_by_what_came_of_offers_to_them() {
    let rows = fold(
        &second_agent_answers(),
        terms(By::Agent, 0, 100_000, None),
        100_000,
    );
    let agent = |name: &str| &rows[&(0, Subject::Agent(AgentId::new(name)))];
    let (anna, ben) = (agent("anna"), agent("ben"));
    assert_eq!((anna.offers, anna.answered, anna.missed), (1, 1, 0));
    assert_eq!((anna.talks.sum_ms, anna.wrap_up_ms), (60_000, 3_500));
    // In the call from 16.5 s to 76.5 s, then wrap-up until 80 s.
    assert_eq!(anna.busy_ms, 63_500);
    assert_eq!((ben.offers, ben.answered, ben.missed), (1, 0, 1));
}

#[test]
fn service_level_leaves_short_abandons_out_or_counts_them_as_its_definitions_say() {
    let mut events = Vec::new();
    for (contact, waited) in [(1, 5_000), (2, 30_000)] {
        events.push(typed(contact, 1_000));
        events.push(abandoned(contact, waited, 1_000 + waited));
    }
    for (contact, waited) in [(3, 20_000), (4, 20_001), (5, 100)] {
        events.push(typed(contact, 1_000));
        events.push(offered(contact, contact, "anna", 1_000));
        events.push(connected_by(
            contact,
            contact,
            "anna",
            waited,
            1_000 + waited,
        ));
    }
    events.push(typed(6, 1_000));
    events.push(refused_for(6, RefuseReason::QueueFull, 0, 1_000));
    events.push(typed(7, 1_000));
    events.sort_by_key(|event| event.unix_ms);
    let rows = fold(&events, terms(By::Queue, 0, HOUR, None), HOUR);
    let sums = queue(&rows, 0, "support");
    assert_eq!(
        (sums.offered, sums.answered, sums.answered_within),
        (7, 3, 2)
    );
    assert_eq!((sums.abandoned, sums.abandoned_within), (2, 1));
    assert_eq!((sums.refused, sums.waiting, sums.lost), (1, 1, 0));
    assert_eq!(sums.service_level(), Some(2.0 / 7.0));
    assert_eq!(sums.service_level_without_short(), Some(2.0 / 6.0));
    assert_eq!(sums.service_level_with_short(), Some(3.0 / 7.0));
    assert_eq!(sums.abandon_waits.mean_ms(), Some(17_500));
    assert_eq!(
        Sums::default().service_level(),
        None,
        "of nothing there is no share"
    );
}

#[test]
fn time_passes_with_what_agents_do_and_is_cut_at_the_edges() {
    let ready = |at| status("anna", Status::Ready, true, at);
    let events = [
        ready(0),
        state("anna", in_call(9, 9), 30 * 60_000),
        // Paused in the call: she still works.
        status("anna", paused("lunch"), true, 40 * 60_000),
        state("anna", Activity::Idle, 70 * 60_000),
        status("anna", Status::LoggedOut, true, 100 * 60_000),
        ready(110 * 60_000),
        event(115 * 60_000, What::ControlStarted),
    ];
    let rows = fold(
        &events,
        terms(By::Time, HOUR / 4, 2 * HOUR, Some(HOUR / 4)),
        2 * HOUR,
    );
    let minutes = |from: u64| {
        let sums = &rows[&(from * 60_000, Subject::All)];
        [sums.free_ms, sums.busy_ms, sums.paused_ms].map(|ms| ms / 60_000)
    };
    assert_eq!(minutes(15), [15, 0, 0]);
    assert_eq!(minutes(30), [0, 15, 0]);
    assert_eq!(minutes(45), [0, 15, 0]);
    assert_eq!(minutes(60), [0, 10, 5]);
    assert_eq!(minutes(75), [0, 0, 15]);
    assert_eq!(minutes(90), [0, 0, 10]);
    // From the last word of the process that ended, nothing is known until agents are told anew.
    assert_eq!(minutes(105), [0, 0, 0]);
    let whole = fold(
        &events,
        terms(By::Agent, HOUR / 4, 2 * HOUR, None),
        2 * HOUR,
    );
    let anna = &whole[&(HOUR / 4, Subject::Agent(AgentId::new("anna")))];
    assert_eq!(anna.occupancy(), Some(40.0 / 55.0));
}

#[test]
fn what_a_crash_took_is_lost_and_what_was_taken_over_is_not() {
    let adopted = What::ContactAdopted {
        contact: ContactId(3),
        offer: patchbay_core::OfferId(3),
        agent: AgentId::new("anna"),
        since_unix_ms: 2_000,
    };
    let events = [
        typed(1, 1_000),
        queued(1, 1, 1_000),
        typed(3, 1_500),
        connected_by(3, 3, "anna", 500, 2_000),
        event(5_000, What::ControlStarted),
        event(5_100, adopted),
        ended_by(3, 3, "anna", None, 60_000, 62_000),
    ];
    let rows = fold(&events, terms(By::Queue, 0, HOUR, None), HOUR);
    let sums = queue(&rows, 0, "support");
    assert_eq!((sums.offered, sums.lost, sums.answered), (2, 1, 1));
    assert_eq!(sums.talks.sum_ms, 60_000);
}

#[test]
fn one_that_overflows_is_offered_to_both_queues_and_counted_once_in_all() {
    let events = [
        typed(1, 1_000),
        queued(1, 1, 1_000),
        moved(1, "sales", OverflowWhen::Waited, 9_000, 10_000),
        abandoned(1, 12_000, 13_000),
        typed(2, 1_000),
        queued(2, 1, 1_000),
        redirected(2, OverflowWhen::Waited, 9_000, 10_000),
    ];
    let rows = fold(&events, terms(By::Queue, 0, HOUR, None), HOUR);
    let (first, second) = (queue(&rows, 0, "support"), queue(&rows, 0, "sales"));
    let figures = |sums: &Sums| [sums.offered, sums.moved, sums.redirected, sums.abandoned];
    assert_eq!(figures(&first), [2, 1, 1, 0]);
    assert_eq!(figures(&second), [1, 0, 0, 1]);
    let rows = fold(&events, terms(By::Time, 0, HOUR, None), HOUR);
    assert_eq!(figures(&rows[&(0, Subject::All)]), [2, 0, 1, 1]);
}

/// What becomes of one contact of a random centre.
#[derive(Clone, Debug)]
enum Fate {
    Answered {
        wait: u64,
        talk: u64,
        wrap_up: Option<u64>,
    },
    SecondAnswers {
        first: u64,
        wait: u64,
        talk: u64,
    },
    Abandoned {
        wait: u64,
    },
    Refused {
        wait: u64,
    },
    TurnedAway,
    Waits,
}

fn fates() -> impl Strategy<Value = Fate> {
    let long = 0..2 * HOUR;
    prop_oneof![
        (0..60_000_u64, long.clone(), proptest::option::of(0..HOUR)).prop_map(
            |(wait, talk, wrap_up)| Fate::Answered {
                wait,
                talk,
                wrap_up
            }
        ),
        (0..30_000_u64, 0..30_000_u64, long).prop_map(|(first, more, talk)| {
            Fate::SecondAnswers {
                first,
                wait: first + more,
                talk,
            }
        }),
        (0..60_000_u64).prop_map(|wait| Fate::Abandoned { wait }),
        (0..HOUR).prop_map(|wait| Fate::Refused { wait }),
        Just(Fate::TurnedAway),
        Just(Fate::Waits),
    ]
}

/// The events of a contact that has two agents of its own, so that agents do one thing at a time.
fn story(id: u64, arrived: u64, queue: &str, fate: &Fate) -> Vec<Event> {
    let (anna, ben) = (format!("anna{id}"), format!("ben{id}"));
    let (first, second) = (id * 2, id * 2 + 1);
    let after = |wait: u64| arrived + wait;
    let mut events = vec![typed_for(id, queue, arrived)];
    match fate {
        Fate::Answered {
            wait,
            talk,
            wrap_up,
        } => {
            let (at, end) = (after(*wait), after(wait + talk));
            events.push(status(&anna, Status::Ready, true, arrived));
            events.push(offered(id, first, &anna, arrived));
            events.push(connected_by(id, first, &anna, *wait, at));
            events.push(state(&anna, in_call(id, first), at));
            events.push(ended_by(id, first, &anna, None, *talk, end));
            if let Some(wrap_up) = wrap_up {
                let until_unix_ms = end + wrap_up;
                events.push(state(&anna, Activity::WrapUp { until_unix_ms }, end));
                events.push(state(&anna, Activity::Idle, until_unix_ms));
            } else {
                events.push(state(&anna, Activity::Idle, end));
            }
        }
        Fate::SecondAnswers {
            first: rang,
            wait,
            talk,
        } => {
            events.push(offered(id, first, &ben, arrived));
            events.push(failed(id, first, &ben, OfferEnd::NoAnswer, after(*rang)));
            events.push(offered(id, second, &anna, after(*rang)));
            events.push(connected_by(id, second, &anna, *wait, after(*wait)));
            events.push(ended_by(id, second, &anna, None, *talk, after(wait + talk)));
        }
        Fate::Abandoned { wait } => {
            events.push(queued(id, 1, arrived));
            events.push(abandoned(id, *wait, after(*wait)));
        }
        Fate::Refused { wait } => {
            events.push(queued(id, 1, arrived));
            let why = RefuseReason::WaitedTooLong;
            events.push(refused_for(id, why, *wait, after(*wait)));
        }
        Fate::TurnedAway => {
            let what = What::ContactRefused {
                contact: ContactId(id),
                queue: None,
                status: 404,
                retry_after_s: None,
                why: RefuseReason::NoRule,
                waited_ms: 0,
            };
            events = vec![event(arrived, what)];
        }
        Fate::Waits => events.push(queued(id, 1, arrived)),
    }
    events
}

fn merged(parts: impl Iterator<Item = BTreeMap<Key, Sums>>) -> BTreeMap<Subject, Sums> {
    let mut whole: BTreeMap<Subject, Sums> = BTreeMap::new();
    for ((_, subject), sums) in parts.flatten() {
        whole.entry(subject).or_default().merge(&sums);
    }
    // A step in which nothing happened has a row all the same.
    whole.retain(|_, sums| *sums != Sums::default());
    whole
}

fn sorted(contacts: &[(u64, bool, Fate)]) -> Vec<Event> {
    let stories = contacts
        .iter()
        .zip(1..)
        .flat_map(|((at, sales, fate), id)| {
            story(id, *at, if *sales { "sales" } else { "support" }, fate)
        });
    let mut events: Vec<Event> = stories.collect();
    // Stable, so that what happens at once stays in its order.
    events.sort_by_key(|event| event.unix_ms);
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_report_of_the_whole_is_the_reports_of_its_parts_together(
        contacts in prop::collection::vec((0..4 * HOUR, any::<bool>(), fates()), 0..40)
    ) {
        let events = sorted(&contacts);
        let now = 12 * HOUR;
        for by in [By::Queue, By::Agent, By::Time] {
            let parts = (0..8).map(|hour| {
                let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
                fold(&events, terms(by, from, to, None), now)
            });
            let whole = merged(std::iter::once(fold(&events, terms(by, 0, 8 * HOUR, None), now)));
            prop_assert_eq!(&merged(parts), &whole);
            let steps = fold(&events, terms(by, 0, 8 * HOUR, Some(HOUR)), now);
            prop_assert_eq!(&merged(std::iter::once(steps)), &whole);
        }
    }

    #[test]
    fn counts_agree_with_a_recount_of_the_same_events(
        contacts in prop::collection::vec((0..4 * HOUR, any::<bool>(), fates()), 0..40)
    ) {
        let events = sorted(&contacts);
        let (from, to) = (HOUR, 3 * HOUR);
        let rows = fold(&events, terms(By::Queue, from, to, None), 12 * HOUR);
        let mut counted = (0, 0);
        for name in ["support", "sales"] {
            let sums = queue(&rows, from, name);
            let of = |what: fn(&What) -> Option<u64>| {
                let arrived = |id: ContactId| events.iter().any(|event| {
                    let typed = matches!(&event.what, What::ContactTyped { contact, queue, .. }
                        if *contact == id && queue.as_str() == name);
                    typed && (from..to).contains(&event.unix_ms)
                });
                let about = |event: &&Event| {
                    patchbay_control::store::contact_of(event).is_some_and(arrived)
                };
                events.iter().filter(about).filter_map(|e| what(&e.what)).collect::<Vec<u64>>()
            };
            let typed = of(|what| matches!(what, What::ContactTyped { .. }).then_some(0));
            let waits = of(|what| match what {
                What::ContactConnected { waited_ms, .. } => Some(*waited_ms),
                _ => None,
            });
            let gone = of(|what| match what {
                What::ContactAbandoned { waited_ms, .. } => Some(*waited_ms),
                _ => None,
            });
            let refused = of(|what| matches!(what, What::ContactRefused { .. }).then_some(0));
            let talks = of(|what| match what {
                What::ContactEnded { talk_ms, .. } => Some(*talk_ms),
                _ => None,
            });
            let short = |waits: &[u64]| waits.iter().filter(|ms| **ms <= THRESHOLD).count() as u64;
            prop_assert_eq!(sums.offered, typed.len() as u64);
            prop_assert_eq!(sums.answered, waits.len() as u64);
            prop_assert_eq!(sums.answered_within, short(&waits));
            prop_assert_eq!(sums.abandoned, gone.len() as u64);
            prop_assert_eq!(sums.abandoned_within, short(&gone));
            prop_assert_eq!(sums.refused, refused.len() as u64);
            prop_assert_eq!(sums.waits.sum_ms, waits.iter().sum::<u64>());
            prop_assert_eq!(sums.waits.max_ms, waits.iter().max().copied().unwrap_or(0));
            prop_assert_eq!((sums.talks.count, sums.talks.sum_ms),
                (talks.len() as u64, talks.iter().sum::<u64>()));
            let over = sums.answered + sums.abandoned + sums.refused + sums.lost + sums.waiting;
            prop_assert_eq!(sums.offered, over);
            counted = (counted.0 + sums.offered, counted.1 + sums.answered);
        }
        let hours = fold(&events, terms(By::Time, from, to, Some(HOUR)), 12 * HOUR);
        let all = merged(std::iter::once(hours));
        let all = all.get(&Subject::All).cloned().unwrap_or_default();
        prop_assert_eq!((all.offered, all.answered), counted);
    }
}
