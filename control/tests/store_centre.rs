//! The declaration in force survives the process (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::store::Store;
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
        store
            .save_centre(&centre(&round.to_string()))
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);

    let store = Store::open(&data).await.unwrap();
    let loaded = store.load_centre().await.unwrap().unwrap();
    assert_eq!(
        loaded,
        centre("60"),
        "with the password, which the registrar needs"
    );
    assert_eq!(store.centre_revision().await.unwrap(), 60);
}
