//! Tokens and the audit log outlive the process and stay within their bounds (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::access::{Digest, Grant, Role};
use patchbay_control::store::{AuditEntry, AuditFilter, MAX_AUDIT_TEXT_BYTES, Store};
use store_support::directory;

fn grant(id: &str) -> Grant {
    Grant {
        id: id.to_owned(),
        name: format!("token {id}"),
        ..Grant::bootstrap(Digest::of(id))
    }
}

#[tokio::test]
async fn tokens_are_kept_in_their_order_and_changed_in_their_place() {
    let data = directory("store_access_tokens");
    let store = Store::open(&data).await.unwrap();
    for (id, number) in [("b", 1), ("a", 2), ("c", 3)] {
        assert_eq!(store.save_token(&grant(id)).await.unwrap(), number);
    }
    let revoked = Grant {
        revoked_unix_ms: Some(7),
        ..grant("b")
    };
    assert_eq!(store.save_token(&revoked).await.unwrap(), 1);
    store
        .tokens_used(&[("a".into(), 5), ("x".into(), 6)])
        .await
        .unwrap();
    store.remove_token("c").await.unwrap();
    store.close().await;
    drop(store);
    let tokens = Store::open(&data).await.unwrap().tokens().await.unwrap();
    let told: Vec<_> = tokens
        .iter()
        .map(|t| {
            (
                t.number,
                t.grant.id.as_str(),
                t.grant.revoked_unix_ms,
                t.last_used_unix_ms,
            )
        })
        .collect();
    assert_eq!(told, [(1, "b", Some(7), None), (2, "a", None, Some(5))]);
    assert!(tokens[1].grant.digest.matches(&Digest::of("a")));
}

#[tokio::test]
async fn the_audit_log_keeps_the_newest_and_cuts_long_texts() {
    let data = directory("store_access_audit");
    let store = Store::open(&data).await.unwrap();
    let entry = |at: u64| AuditEntry {
        unix_ms: at,
        token: "t".into(),
        name: "n".into(),
        role: Role::Admin,
        source: "::1".into(),
        method: "PUT".into(),
        path: format!("/{}", "ü".repeat(600)),
        status: 200,
        what: Some("w".repeat(600)),
        request_id: "r".into(),
    };
    for at in 1..=5 {
        assert_eq!(store.add_audit(entry(at), 3).await.unwrap(), at);
    }
    store.close().await;
    drop(store);
    let store = Store::open(&data).await.unwrap();
    let rows = store.audit(&AuditFilter::default(), 10).await.unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [5, 4, 3]);
    let cut = &rows[0].entry;
    assert!(cut.path.len() <= MAX_AUDIT_TEXT_BYTES && cut.path.ends_with('ü'));
    assert_eq!(cut.what.as_deref().unwrap().len(), MAX_AUDIT_TEXT_BYTES);
    assert_eq!(
        store.add_audit(entry(6), 3).await.unwrap(),
        6,
        "numbers go on"
    );
}
