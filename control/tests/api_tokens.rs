//! Tokens are given out, used, rotated and revoked; their secrets are shown once and kept nowhere (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;
use crate::store_support;

use api_support::{Events, Server, problem};
use patchbay_control::store::{DATABASE_FILE, Store};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store_support::directory;

const TOKENS: &str = "/api/v1/tokens";

fn supervisor(name: &str) -> Value {
    json!({"name": name, "role": "supervisor"})
}

#[tokio::test]
async fn a_token_is_shown_once_and_outlives_the_process() {
    let data = directory("api_tokens_outlive");
    let store = Store::open(&data).await.unwrap();
    let mut server = Server::with(store.clone(), &[]).await;
    let answer = server
        .send(Method::POST, TOKENS, &supervisor("wallboard"))
        .await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    let given: Value = answer.json().await.unwrap();
    let text = given["token"].as_str().unwrap();
    assert_eq!((&text[..3], text.len()), ("pb_", 84));
    let shown = server.json(&place).await;
    assert_eq!(shown["name"], "wallboard");
    assert_eq!(shown["last_used_unix_ms"], Value::Null);
    assert!(shown.get("token").is_none());
    assert_eq!(
        server.get_as(text, "/api/v1/agents").await.status(),
        StatusCode::OK
    );
    let used = server.json(&place).await["last_used_unix_ms"].clone();
    assert!(used.as_u64().unwrap() >= given["created_unix_ms"].as_u64().unwrap());
    server.stop().await;
    store.close().await;
    let secret = text.rsplit('_').next().unwrap();
    for file in [DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal")] {
        let Ok(bytes) = std::fs::read(data.join(file)) else {
            continue;
        };
        let found = bytes
            .windows(32)
            .any(|window| window == &secret.as_bytes()[..32]);
        assert!(!found, "the secret is on the disk");
    }
    drop((server, store));

    let server = loop {
        // The node of before lets go of the directory when its tasks have ended.
        match Store::open(&data).await {
            Ok(store) => break Server::with(store, &[]).await,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(
        server.get_as(text, "/api/v1/agents").await.status(),
        StatusCode::OK
    );
    let list = server.json(TOKENS).await;
    assert_eq!(list["tokens"][0]["id"], given["id"]);
    assert!(!list.to_string().contains(secret));
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_its_streams_end() {
    let server = Server::configured().await;
    let (id, text) = server.token(supervisor("wallboard")).await;
    let mut events = Events::of(server.get_as(&text, "/api/v1/events?after=0").await);
    assert!(events.next().await.is_some());
    let path = format!("{TOKENS}/{id}");
    for _ in 0..2 {
        let answer = server.request(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let view: Value = answer.json().await.unwrap();
        assert!(view["revoked_unix_ms"].is_u64());
    }
    while events.next().await.is_some() {}
    let answer = server.get_as(&text, "/api/v1/agents").await;
    let refused = problem(answer, StatusCode::UNAUTHORIZED, "unauthorized").await;
    assert!(refused["detail"].as_str().unwrap().contains("revoked"));
    let answer = server
        .request(Method::POST, &format!("{path}/rotate"))
        .send()
        .await;
    problem(answer.unwrap(), StatusCode::CONFLICT, "conflict").await;
    assert_eq!(
        server.json(TOKENS).await["tokens"][0]["id"],
        id,
        "it stays in the list"
    );
}

#[tokio::test]
async fn a_rotated_token_has_a_new_text_and_the_old_one_counts_for_a_while() {
    let server = Server::configured().await;
    let (id, first) = server.token(supervisor("wallboard")).await;
    let path = format!("{TOKENS}/{id}/rotate");
    let rotate = async |body: Option<Value>| {
        let request = server.request(Method::POST, &path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let given: Value = answer.json().await.unwrap();
        given["token"].as_str().unwrap().to_owned()
    };
    let opens = async |text: &str| {
        let answer = server.get_as(text, "/api/v1/agents").await;
        answer.status() == StatusCode::OK
    };
    let second = rotate(None).await;
    assert_ne!(first, second);
    assert!(opens(&first).await && opens(&second).await);
    let third = rotate(Some(json!({"grace_s": 0}))).await;
    assert!(!opens(&first).await, "only the last one before counts");
    assert!(!opens(&second).await, "and not without a grace");
    assert!(opens(&third).await);
    let too_long = json!({"grace_s": 604_801});
    let answer = server.send(Method::POST, &path, &too_long).await;
    problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    assert!(opens(&third).await);
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let store = Store::in_memory().await.unwrap();
    let mut server = Server::with(store.clone(), &[]).await;
    let mut wish = supervisor("visitor");
    wish["expires_in_s"] = json!(86_400);
    let (_, text) = server.token(wish).await;
    assert_eq!(
        server.get_as(&text, "/api/v1/agents").await.status(),
        StatusCode::OK
    );
    server.stop().await;
    let mut stored = store.tokens().await.unwrap().remove(0);
    let until = stored.grant.expires_unix_ms.unwrap();
    assert_eq!(until, stored.grant.created_unix_ms + 86_400_000);
    assert!(
        stored.last_used_unix_ms.is_some(),
        "written down when the API stops"
    );
    stored.grant.expires_unix_ms = Some(until - 86_400_000);
    store.save_token(&stored.grant).await.unwrap();
    let server = Server::with(store, &[]).await;
    let answer = server.get_as(&text, "/api/v1/agents").await;
    let refused = problem(answer, StatusCode::UNAUTHORIZED, "unauthorized").await;
    assert!(refused["detail"].as_str().unwrap().contains("expired"));
}

#[tokio::test]
async fn a_wish_with_faults_is_refused_with_all_of_them() {
    let server = Server::configured().await;
    let cases = [
        (
            json!({"name": "", "role": "agent", "expires_in_s": 0}),
            vec!["name", "agent", "expires_in_s"],
        ),
        (
            json!({"name": "x", "role": "agent", "agent": "nobody"}),
            vec!["agent"],
        ),
        (
            json!({"name": "x", "role": "admin", "agent": "bert", "scopes": ["trace"]}),
            vec!["agent", "scopes"],
        ),
        (json!({"name": "x", "role": "integration"}), vec!["scopes"]),
        (
            json!({"name": "x", "role": "integration", "scopes": ["trace", "tokens"]}),
            vec!["scopes[1]"],
        ),
        (
            json!({"name": "x", "role": "integration", "scopes": ["trace"], "queues": ["support"]}),
            vec!["queues"],
        ),
        (
            json!({"name": "x", "role": "integration", "scopes": ["contacts:route"],
                "queues": ["support", "nobody's"]}),
            vec!["queues[1]"],
        ),
        (json!({"name": "a\nb", "role": "admin"}), vec!["name"]),
        (
            json!({"name": "x".repeat(129), "role": "admin"}),
            vec!["name"],
        ),
        (json!({"name": "x", "role": "king"}), vec![""]),
        (
            json!({"name": "x", "role": "admin", "secret": "mine"}),
            vec![""],
        ),
    ];
    for (wish, paths) in cases {
        let answer = server.send(Method::POST, TOKENS, &wish).await;
        let refused = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
        let faults = refused["errors"].as_array().unwrap().iter();
        let found: Vec<&str> = faults
            .map(|fault| fault["path"].as_str().unwrap())
            .collect();
        assert_eq!(found, paths, "{wish}");
    }
    assert_eq!(server.json(TOKENS).await["tokens"], json!([]));
}
