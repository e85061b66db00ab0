//! Registered phones can be rung at once after a restart (A5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::registrar::Binding;
use patchbay_control::store::Store;
use store_support::directory;

fn binding(agent: &str, device: &str, cseq: u32, expires_unix_ms: u64) -> Binding {
    Binding {
        agent: agent.into(),
        contact: format!("sip:{agent}@{device}"),
        path: vec!["sip:token@relay;lr;ob".into()],
        call_id: "call".into(),
        cseq,
        q_milli: 1_000,
        user_agent: Some("phone".into()),
        updated_unix_ms: 1,
        expires_unix_ms,
        ..Binding::default()
    }
}

#[tokio::test]
async fn bindings_are_replaced_removed_and_forgotten_when_they_expire() {
    let data = directory("store_bindings");
    let store = Store::open(&data).await.unwrap();
    let (desk, mobile) = (
        binding("anna", "desk", 1, 9_000),
        binding("anna", "mobile", 1, 5_000),
    );
    let gone = binding("bert", "desk", 1, 9_000);
    for one in [&desk, &mobile, &gone] {
        store.save_binding(one).await.unwrap();
    }
    let refreshed = binding("anna", "desk", 2, 10_000);
    store.save_binding(&refreshed).await.unwrap();
    store.remove_binding("bert", &gone.contact).await.unwrap();
    store.remove_binding("bert", &gone.contact).await.unwrap();
    drop(store);

    let store = Store::open(&data).await.unwrap();
    let loaded = store.load_bindings(4_999).await.unwrap();
    assert_eq!(loaded, [refreshed.clone(), mobile]);
    assert_eq!(store.load_bindings(5_000).await.unwrap(), [refreshed]);
    assert!(store.load_bindings(10_000).await.unwrap().is_empty());
}
