//! Earlier contacts are found by who called (A3).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::store::Store;
use patchbay_core::limits::MAX_EARLIER;
use patchbay_core::{Earlier, Event, QueueId, What};
use store_support::{connected, directory, ended, event, refused, typed, typed_for};

const CALLER: &str = "sip:caller@example.org";
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Late enough for a whole day before it.
const NOW: u64 = 10 * DAY_MS;

#[tokio::test]
async fn contacts_of_the_last_day_count_and_the_last_answer_is_known() {
    let store = Store::in_memory().await.unwrap();
    let none = store.earlier(CALLER, NOW).await.unwrap();
    assert_eq!(none, Earlier::default());
    let events = [
        typed(1, NOW - DAY_MS - 1),
        ended(1, NOW - DAY_MS),
        typed(2, NOW - 90_000),
        connected(2, NOW - 80_000),
        ended(2, NOW - 70_000),
    ];
    store.append_events(&events).await.unwrap();
    // In a later write, and in another queue, without an answer.
    let events = [typed_for(3, "sales", NOW - 9_000), refused(3, NOW - 8_000)];
    store.append_events(&events).await.unwrap();
    let earlier = store.earlier(CALLER, NOW).await.unwrap();
    assert_eq!(earlier.contacts, 2);
    assert_eq!(earlier.agent.unwrap().as_str(), "anna");
    assert_eq!(earlier.queue.unwrap().as_str(), "sales");
    assert_eq!(earlier.seconds_ago, Some(9));
    let other = store.earlier("sip:other@example.org", NOW).await.unwrap();
    assert_eq!(other, Earlier::default());
}

#[tokio::test]
async fn only_so_many_are_counted_and_those_of_removed_events_are_forgotten() {
    let directory = directory("callers");
    let store = Store::open_with(&directory, 1_000).await.unwrap();
    let many: Vec<Event> = (0..150).map(|contact| typed(contact, NOW)).collect();
    store.append_events(&many).await.unwrap();
    let earlier = store.earlier(CALLER, NOW).await.unwrap();
    assert_eq!(earlier.contacts as usize, MAX_EARLIER);
    let others = vec![event(NOW, What::ControlStarted); 5_000];
    store.append_events(&others).await.unwrap();
    assert!(store.pruned_to().await > 150);
    let earlier = store.earlier(CALLER, NOW).await.unwrap();
    assert_eq!(earlier, Earlier::default());
    store.close().await;
}

#[tokio::test]
async fn last_agents_are_those_of_the_queues_that_want_them() {
    let store = Store::in_memory().await.unwrap();
    let events = [typed(1, NOW), connected(1, NOW), typed(2, NOW)];
    store.append_events(&events).await.unwrap();
    let of = async |queue: &str| {
        let served = store.last_agents(&[QueueId::new(queue)]).await.unwrap();
        let served = served.into_iter();
        served
            .map(|(uri, agent)| format!("{uri} {agent}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("support").await, [format!("{CALLER} anna")]);
    assert!(of("sales").await.is_empty());
    assert!(store.last_agents(&[]).await.unwrap().is_empty());
}
