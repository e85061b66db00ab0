//! Every list comes in pages, and each page says where the next one is (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;
use crate::store_support;

use std::fmt::Write as _;

use api_support::{Caller, Server, invite, next_page, problem};
use patchbay_control::store::Store;
use reqwest::StatusCode;
use serde_json::{Value, json};
use store_support::{connected, ended, typed};

/// All entries of a list by their names, two on a page; `field` is where a page has its entries.
async fn walk(server: &Server, path: &str, field: &str, name: &str) -> Vec<String> {
    let sign = if path.contains('?') { '&' } else { '?' };
    let mut next = Some(format!("{path}{sign}limit=2"));
    let mut names = Vec::new();
    while let Some(path) = next {
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        next = next_page(&answer);
        let page: Value = answer.json().await.unwrap();
        let entries = page.pointer(field).unwrap().as_array().unwrap();
        assert!(entries.len() <= 2, "{path}");
        // Of the past those that still live are left out.
        let whole = entries.len() == 2 || path.contains("state=past");
        assert!(next.is_none() || whole, "{path}");
        names.extend(entries.iter().map(|entry| match &entry[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    names
}

fn declaration() -> String {
    let mut text = String::new();
    for queue in ["z", "a", "m", "k", "b"] {
        write!(
            text,
            "[[queue]]\nid = \"{queue}\"\nwhen_no_agents = \"wait\"\n"
        )
        .unwrap();
        write!(
            text,
            "[[agent]]\nid = \"agent-{queue}\"\npassword = \"p4ssw0rd\"\n"
        )
        .unwrap();
    }
    for (rule, to) in [("3", "a@*"), ("1", "b@*")] {
        write!(
            text,
            "[[rule]]\nid = \"{rule}\"\nwhen = {{ to = \"{to}\" }}\n"
        )
        .unwrap();
        text.push_str("then = { queue = \"a\" }\n");
    }
    text.push_str("[[rule]]\nid = \"2\"\nthen = { queue = \"z\" }\n");
    text
}

#[tokio::test]
async fn every_list_is_walked_page_by_page() {
    let store = Store::in_memory().await.unwrap();
    let mut past = Vec::new();
    for contact in 1..=3 {
        let at = contact * 10_000;
        past.extend([
            typed(contact, at),
            connected(contact, at + 1),
            ended(contact, at + 2),
        ]);
    }
    store.append_events(&past).await.unwrap();
    let relays = [
        "http://127.0.0.1:1",
        "http://127.0.0.1:2",
        "http://127.0.0.1:3",
    ];
    let server = Server::with(store, &relays).await;
    let answer = server.put_toml("/api/v1/centre", &declaration()).await;
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "{}",
        answer.text().await.unwrap()
    );
    let names = |of: &[&str]| -> Vec<String> { of.iter().map(|name| (*name).to_owned()).collect() };

    let agents = ["agent-a", "agent-b", "agent-k", "agent-m", "agent-z"];
    assert_eq!(
        walk(&server, "/api/v1/agents", "", "id").await,
        names(&agents)
    );
    let queues = ["z", "a", "m", "k", "b"];
    assert_eq!(
        walk(&server, "/api/v1/queues", "", "id").await,
        names(&queues)
    );
    assert_eq!(
        walk(&server, "/api/v1/rules", "", "id").await,
        names(&["3", "1", "2"])
    );
    assert_eq!(
        walk(&server, "/api/v1/relays", "", "url").await,
        names(&relays)
    );
    assert_eq!(
        walk(&server, "/api/v1/sessions", "/sessions", "id").await,
        names(&[])
    );

    let mut events = server.events("").await;
    let mut caller = Caller::connect(&server).await;
    let mut arrived = Vec::new();
    for call in ["one", "two", "three", "four", "five"] {
        caller.send(&invite(call, "")).await;
        let queued = events.until("contact_queued").await;
        arrived.push(queued["contact"].as_str().unwrap().to_owned());
    }
    let mut live = walk(&server, "/api/v1/contacts?state=live", "/live", "id").await;
    assert_eq!(live.len(), 5, "each is there once, whenever it came");
    live.sort();
    arrived.sort();
    assert_eq!(live, arrived);
    let over = walk(&server, "/api/v1/contacts?state=past", "/past", "id").await;
    let over: Vec<&str> = over.iter().map(|id| &id[15..]).collect();
    assert_eq!(over, ["3", "2", "1"]);

    for ring in 5..8 {
        let mut centre = server.json("/api/v1/centre").await;
        centre["queue"][0]["ring_seconds"] = json!(ring);
        server
            .send(reqwest::Method::PUT, "/api/v1/centre", &centre)
            .await;
    }
    let versions = walk(&server, "/api/v1/centre/versions", "/versions", "version").await;
    assert_eq!(versions, names(&["4", "3", "2", "1"]));
    for name in ["eins", "zwei", "drei"] {
        server.token(json!({"name": name, "role": "admin"})).await;
    }
    let tokens = walk(&server, "/api/v1/tokens", "/tokens", "name").await;
    assert_eq!(tokens, names(&["eins", "zwei", "drei"]));
    let audit = walk(&server, "/api/v1/audit", "/entries", "number").await;
    assert_eq!(audit, names(&["7", "6", "5", "4", "3", "2", "1"]));
}

#[tokio::test]
async fn a_page_after_what_is_gone_is_refused_where_the_order_does_not_tell() {
    let server = Server::configured().await;
    for path in ["/api/v1/queues", "/api/v1/rules", "/api/v1/relays"] {
        let answer = server.get(&format!("{path}?after=gone")).await;
        problem(answer, StatusCode::GONE, "gone").await;
    }
    let after: Value = server.json("/api/v1/agents?after=anna-who-left").await;
    assert_eq!(after.as_array().unwrap().len(), 1);
    assert_eq!(after[0]["id"], "bert");
}
