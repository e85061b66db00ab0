//! Past contacts are told from their events (G4).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::store::{Outcome, Store};
use patchbay_core::{AgentId, ContactId, EndCause, RefuseReason};
use store_support::{connected, ended, refused, typed};

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
