//! Events have cursors without gaps, also across a restart, and the oldest go beyond a limit.
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::store::Store;
use patchbay_core::Event;
use store_support::{directory, typed};

fn many(from: u64, to: u64) -> Vec<Event> {
    (from..=to)
        .map(|number| typed(number, 1_000 + number))
        .collect()
}

#[tokio::test]
async fn cursors_rise_by_one_and_the_oldest_events_are_removed() {
    let data = directory("store_events");
    let store = Store::open_with(&data, 2_000).await.unwrap();
    assert_eq!(store.append_events(&[]).await.unwrap(), 0);
    assert_eq!(store.append_events(&many(1, 3)).await.unwrap(), 3);
    assert_eq!(store.append_events(&many(4, 1_200)).await.unwrap(), 1_200);
    let some = store.events_after(2, 2).await.unwrap();
    let cursors: Vec<u64> = some.iter().map(|event| event.cursor).collect();
    assert_eq!(cursors, [3, 4]);
    assert_eq!(some[0].event, typed(3, 1_003));
    assert_eq!(some[0].unix_ms, 1_003);
    assert_eq!(store.pruned_to().await, 0);
    store.close().await;
    drop(store);

    let store = Store::open_with(&data, 2_000).await.unwrap();
    assert_eq!(store.last_cursor().await, 1_200);
    assert_eq!(
        store.append_events(&many(1_201, 3_500)).await.unwrap(),
        3_500
    );
    assert_eq!(store.pruned_to().await, 1_500);
    let oldest = store.events_after(0, 1).await.unwrap();
    assert_eq!(oldest[0].cursor, 1_501);
    assert_eq!(store.events_after(0, 9_999).await.unwrap().len(), 1_000);
    assert!(store.events_after(3_500, 10).await.unwrap().is_empty());
    let last_page = store.contacts(Some(1_503), 10).await.unwrap();
    assert_eq!(last_page.contacts.len(), 2, "contacts go with their events");
    store.close().await;
    drop(store);

    let store = Store::open(&data).await.unwrap();
    assert_eq!(store.pruned_to().await, 1_500);
    assert_eq!(store.unreadable(), 0);
}
