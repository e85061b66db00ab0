//! Past contacts are told from their events (G4).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use std::path::Path;

use patchbay_control::store::{DATABASE_FILE, Outcome, Store};
use patchbay_core::{AgentId, ContactId, EndCause, RefuseReason};
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use store_support::{connected, directory, ended, refused, typed};

async fn cursors(store: &Store, contact: u64) -> Vec<u64> {
    let story = store.contact(ContactId(contact)).await.unwrap().unwrap();
    story.events.iter().map(|event| event.cursor).collect()
}

#[tokio::test]
async fn contacts_are_listed_newest_first_with_what_became_of_them() {
    let store = Store::in_memory().await.unwrap();
    let events = [
        typed(1, 1_000),
        typed(2, 2_000),
        connected(1, 2_500),
        refused(2, 2_600),
        ended(1, 62_500),
        typed(3, 70_000),
    ];
    store.append_events(&events).await.unwrap();

    let page = store.contacts(None, 2).await.unwrap();
    let ids: Vec<ContactId> = page.contacts.iter().map(|contact| contact.id).collect();
    assert_eq!(ids, [ContactId(3), ContactId(2)]);
    assert_eq!(page.contacts[0].outcome, Outcome::Waiting);
    assert_eq!(page.contacts[0].ended_unix_ms, None);
    let refused = &page.contacts[1];
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(refused.refuse_reason, Some(RefuseReason::QueueFull));
    assert_eq!(
        (refused.status, refused.ended_unix_ms),
        (Some(480), Some(2_600))
    );

    let page = store.contacts(page.next_before, 2).await.unwrap();
    assert_eq!(page.next_before, None);
    let [served] = &page.contacts[..] else {
        panic!("{page:?}")
    };
    assert_eq!(served.outcome, Outcome::Served);
    assert_eq!(served.agent, Some(AgentId::new("anna")));
    assert_eq!(served.end_cause, Some(EndCause::Bye));
    assert_eq!((served.waited_ms, served.talk_ms), (1_500, 60_000));
    assert_eq!(served.call_type.as_deref(), Some("help"));

    let story = store.contact(ContactId(1)).await.unwrap().unwrap();
    assert_eq!(&story.contact, served);
    let cursors: Vec<u64> = story.events.iter().map(|event| event.cursor).collect();
    assert_eq!(cursors, [1, 3, 5]);
    assert!(store.contact(ContactId(9)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_story_goes_on_after_a_restart_and_after_its_end() {
    let data = directory("store_history_restart");
    let store = Store::open(&data).await.unwrap();
    let begun = [typed(1, 1_000), typed(2, 1_500), connected(1, 2_000)];
    store.append_events(&begun).await.unwrap();
    store.close().await;
    drop(store);

    let store = Store::open(&data).await.unwrap();
    store.append_events(&[ended(1, 3_000)]).await.unwrap();
    let late = [ended(1, 3_100), typed(3, 3_200), refused(2, 3_300)];
    store.append_events(&late).await.unwrap();
    assert_eq!(cursors(&store, 1).await, [1, 3, 4, 5]);
    assert_eq!(cursors(&store, 2).await, [2, 7]);
    let page = store.contacts(None, 10).await.unwrap();
    assert_eq!(page.contacts.len(), 3, "each is listed once");
}

/// A database as the first schema had it: two contacts and an event of none.
async fn first_schema(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let file = SqliteConnectOptions::new().filename(data.join(DATABASE_FILE));
    let old = SqlitePool::connect_with(file.create_if_missing(true))
        .await
        .unwrap();
    let all = sqlx::migrate!("./migrations");
    let first = all.migrations.iter().take(1).cloned().collect();
    Migrator::with_migrations(first).run(&old).await.unwrap();
    let names = ["0000000000000001", "0000000000000002"];
    let events = [
        (Some(names[0]), typed(1, 1_000)),
        (Some(names[1]), typed(2, 1_500)),
        (None, refused(9, 1_600)),
        (Some(names[0]), connected(1, 2_000)),
    ];
    for (cursor, (contact, event)) in (1_i64..).zip(events) {
        sqlx::query("INSERT INTO event (cursor, unix_ms, contact, body) VALUES ($1, $2, $3, $4)")
            .bind(cursor)
            .bind(i64::try_from(event.unix_ms).unwrap())
            .bind(contact)
            .bind(serde_json::to_string(&event).unwrap())
            .execute(&old)
            .await
            .unwrap();
    }
    for (name, first, last) in [(names[0], 1, 4), (names[1], 2, 2)] {
        sqlx::query("INSERT INTO contact (id, first_cursor, last_cursor) VALUES ($1, $2, $3)")
            .bind(name)
            .bind(first)
            .bind(last)
            .execute(&old)
            .await
            .unwrap();
    }
    old.close().await;
}

#[tokio::test]
async fn what_the_first_schema_holds_is_taken_over() {
    let data = directory("store_history_first_schema");
    first_schema(&data).await;
    let store = Store::open(&data).await.unwrap();
    assert_eq!(store.last_cursor().await, 4);
    assert_eq!(store.events_after(0, 10).await.unwrap().len(), 4);
    store.append_events(&[ended(1, 62_000)]).await.unwrap();
    assert_eq!(cursors(&store, 1).await, [1, 4, 5]);
    assert_eq!(cursors(&store, 2).await, [2]);
    let page = store.contacts(None, 10).await.unwrap();
    let ids: Vec<ContactId> = page.contacts.iter().map(|contact| contact.id).collect();
    assert_eq!(ids, [ContactId(2), ContactId(1)]);
    assert_eq!(page.contacts[1].outcome, Outcome::Served);
    assert_eq!(store.unreadable(), 0);
}
