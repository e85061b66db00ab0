//! The declaration in force survives the process (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::store::{MAX_COMMENT_BYTES, Store, VERSIONS_KEPT};
use patchbay_core::Centre;
use store_support::directory;

fn centre(password: &str) -> Centre {
    let text = format!(
        "[[queue]]\nid = \"support\"\n[[agent]]\nid = \"anna\"\npassword = \"{password}\"\n\
         [[rule]]\nid = \"all\"\nthen = {{ queue = \"support\" }}"
    );
    toml::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_last_declaration_is_the_one_in_force_after_a_restart() {
    let data = directory("store_centre");
    let store = Store::open(&data).await.unwrap();
    assert_eq!(store.load_centre().await.unwrap(), None);
    assert_eq!(store.centre_revision().await.unwrap(), 0);
    for round in 1..=60 {
        let why = format!("round {round}");
        let centre = centre(&round.to_string());
        let saved = store.save_centre(&centre, Some(&why)).await;
        assert_eq!(saved.unwrap(), round);
    }
    store.close().await;
    drop(store);

    let store = Store::open(&data).await.unwrap();
    let loaded = store.load_centre().await.unwrap().unwrap();
    assert_eq!(
        loaded,
        (60, centre("60")),
        "with the password, which the registrar needs"
    );
    assert_eq!(store.centre_revision().await.unwrap(), 60);
}

#[tokio::test]
async fn the_last_versions_are_kept_with_their_comments() {
    let store = Store::in_memory().await.unwrap();
    for round in 1..=VERSIONS_KEPT + 2 {
        let why = (round % 2 == 0).then(|| "é".repeat(MAX_COMMENT_BYTES));
        let centre = centre(&round.to_string());
        store.save_centre(&centre, why.as_deref()).await.unwrap();
    }
    let all = store.versions(None, u64::MAX).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|one| one.version).collect();
    assert_eq!(numbers, (3..=VERSIONS_KEPT + 2).rev().collect::<Vec<_>>());
    let comment = all.first().unwrap().comment.as_ref().unwrap();
    assert_eq!(comment.len(), MAX_COMMENT_BYTES);
    assert_eq!(all.last().unwrap().comment, None);
    let page = store.versions(Some(10), 3).await.unwrap();
    assert_eq!(
        page.iter().map(|one| one.version).collect::<Vec<_>>(),
        [9, 8, 7]
    );
    let (version, kept) = store.version(7).await.unwrap().unwrap();
    assert_eq!((version.version, kept), (7, centre("7")));
    assert!(version.applied_unix_ms > 0);
    assert_eq!(store.version(2).await.unwrap(), None, "too old");
}
