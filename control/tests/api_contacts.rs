//! Contacts that live and contacts that were, each with its story (G4, F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;
use crate::store_support;

use api_support::{Caller, Server, invite, problem};
use patchbay_control::store::Store;
use reqwest::{Method, StatusCode};
use serde_json::json;
use store_support::{connected, ended, refused, typed};

#[tokio::test]
async fn a_waiting_contact_is_shown_told_and_ended() {
    let server = Server::configured().await;
    let mut events = server.events("").await;
    let mut caller = Caller::connect(&server).await;
    caller.send(&invite("call", "")).await;
    let queued = events.until("contact_queued").await;
    let id = queued["contact"].as_str().unwrap();

    let list = server.json("/api/v1/contacts").await;
    assert_eq!(list["live"][0]["id"], id);
    assert_eq!(list["live"][0]["state"], "waiting");
    assert_eq!(list["past"], json!([]), "one that lives is not past");
    let queue = server.json("/api/v1/queues/support").await;
    assert_eq!(queue["waiting"][0]["contact"], id);
    let path = format!("/api/v1/contacts/{id}");
    let story = server.json(&path).await;
    assert_eq!(story["live"]["from"], "sip:eve@example.net");
    assert_eq!(story["events"][0]["type"], "contact_typed");
    assert_eq!(story["events"][0]["rule"], "everybody");

    let answer = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    caller.expect(480).await;
    let over = loop {
        let (_, event) = events.next().await.unwrap();
        if event["contact"] == id {
            break event;
        }
    };
    let story = server.json(&path).await;
    assert_eq!(story["live"], json!(null));
    assert_eq!(story["events"].as_array().unwrap().last().unwrap(), &over);
    assert_ne!(story["summary"]["outcome"], "waiting");
    let list = server.json("/api/v1/contacts?state=past").await;
    assert_eq!(list["past"][0]["id"], id);
    let answer = server.request(Method::DELETE, &path).send().await.unwrap();
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;
}

#[tokio::test]
async fn the_past_is_paged_and_what_a_crash_left_open_is_lost() {
    let store = Store::in_memory().await.unwrap();
    let events = [
        typed(1, 1_000),
        connected(1, 2_000),
        ended(1, 3_000),
        typed(2, 4_000),
        refused(2, 4_001),
        typed(3, 5_000),
    ];
    store.append_events(&events).await.unwrap();
    let server = Server::with(store, &[]).await;
    let page = server.json("/api/v1/contacts?limit=2").await;
    let outcomes = |page: &serde_json::Value| -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let past = page["past"].as_array().unwrap().iter();
        past.map(|one| (text(&one["id"])[15..].to_owned(), text(&one["outcome"])))
            .collect()
    };
    let named = |id: &str, outcome: &str| (id.to_owned(), outcome.to_owned());
    assert_eq!(outcomes(&page), [named("3", "lost"), named("2", "refused")]);
    let next = format!("/api/v1/contacts?limit=2&before={}", page["next_before"]);
    let page = server.json(&next).await;
    assert_eq!(outcomes(&page), [named("1", "served")]);
    assert_eq!(page["next_before"], json!(null));
    let lost = server.json("/api/v1/contacts/0000000000000003").await;
    assert_eq!(lost["summary"]["outcome"], "lost");
}
