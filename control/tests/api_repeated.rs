//! A change that is sent again with its Idempotency-Key is done once (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;
use crate::store_support;

use api_support::{PATIENCE, Server, TOKEN, problem};
use patchbay_control::api::limits::MAX_ANSWERS;
use patchbay_control::store::{KeptAnswer, Repeatable, Store};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use store_support::directory;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TOKENS: &str = "/api/v1/tokens";
const KEY: &str = "Idempotency-Key";

async fn create(server: &Server, key: &str, name: &str) -> Response {
    let wish = json!({"name": name, "role": "supervisor"});
    let request = server.request(Method::POST, TOKENS).header(KEY, key);
    request.json(&wish).send().await.unwrap()
}

async fn count(server: &Server) -> usize {
    let list = server.json(TOKENS).await;
    list["tokens"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_first_answer_is_given_again_also_after_a_restart() {
    let data = directory("api_repeated_restart");
    let store = Store::open(&data).await.unwrap();
    let mut server = Server::with(store.clone(), &[]).await;
    let first = create(&server, "\"8e03978e\"", "one").await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert!(first.headers().get("idempotency-replayed").is_none());
    let place = first.headers()["location"].clone();
    let first: Value = first.json().await.unwrap();
    for _ in 0..2 {
        // In quotation marks or bare, it is the same key.
        let again = create(&server, "8e03978e", "one").await;
        assert_eq!(again.status(), StatusCode::CREATED);
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.headers()["location"], place);
        let again: Value = again.json().await.unwrap();
        assert_eq!(again["id"], first["id"]);
        assert_eq!(again["token"], Value::Null, "a secret is shown once");
    }
    assert_eq!(count(&server).await, 1);
    let other = create(&server, "\"8e03978e\"", "two").await;
    problem(other, StatusCode::UNPROCESSABLE_ENTITY, "key-reused").await;
    let other = server
        .request(Method::DELETE, "/api/v1/agents/anna")
        .header(KEY, "8e03978e");
    problem(
        other.send().await.unwrap(),
        StatusCode::UNPROCESSABLE_ENTITY,
        "key-reused",
    )
    .await;
    server.stop().await;
    store.close().await;
    drop((server, store));

    let server = loop {
        match Store::open(&data).await {
            Ok(store) => break Server::with(store, &[]).await,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let again = create(&server, "\"8e03978e\"", "one").await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["id"], first["id"]);
    assert_eq!(count(&server).await, 1);
    let log = server.json("/api/v1/audit?limit=1").await;
    assert_eq!(
        log["entries"][0]["what"],
        "the answer of before was repeated"
    );
}

#[tokio::test]
async fn a_refusal_is_repeated_and_keys_of_other_tokens_are_others() {
    let server = Server::configured().await;
    let (_, second) = server
        .token(json!({"name": "second", "role": "admin"}))
        .await;
    let delete = async |token: &str| {
        let path = "/api/v1/agents/carla";
        let request = server
            .request_as(token, Method::DELETE, path)
            .header(KEY, "k");
        request.send().await.unwrap()
    };
    problem(delete(TOKEN).await, StatusCode::NOT_FOUND, "not-found").await;
    let carla = json!({"password": "p4ssw0rd"});
    let put = server
        .send(Method::PUT, "/api/v1/agents/carla", &carla)
        .await;
    assert_eq!(put.status(), StatusCode::CREATED);
    let again = delete(TOKEN).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    problem(again, StatusCode::NOT_FOUND, "not-found").await;
    assert_eq!(delete(&second).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn one_that_is_still_under_way_is_told_so() {
    let server = Server::configured().await;
    let body = r#"{"name": "one", "role": "supervisor"}"#;
    let head = format!(
        "POST {TOKENS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{KEY}: slow\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut first = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    first.write_all(head.as_bytes()).await.unwrap();
    let under_way = async {
        loop {
            // Until the first has begun this one is refused for another reason, and keeps no answer.
            let request = server.request(Method::POST, TOKENS).header(KEY, "slow");
            let request = request.header("Content-Type", "application/json");
            let answer = request.body("x".repeat(200_000)).send().await.unwrap();
            if answer.status() == StatusCode::CONFLICT {
                return answer;
            }
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    };
    let answer = tokio::time::timeout(PATIENCE, under_way).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    problem(answer, StatusCode::CONFLICT, "conflict").await;
    first.write_all(body.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    let read = first.read_exact(&mut status);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 201");
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn a_key_that_is_none_and_one_too_many_are_refused() {
    let store = Store::in_memory().await.unwrap();
    let kept = |fingerprint: u64| Repeatable {
        fingerprint: fingerprint.to_string(),
        answer: KeptAnswer {
            status: 200,
            headers: Vec::new(),
            body: String::new(),
        },
    };
    let now = u64::MAX >> 2;
    for key in 0..MAX_ANSWERS {
        let (name, kept) = (key.to_string(), kept(key));
        let keep = store.keep_answer("bootstrap", &name, &kept, (now, 0));
        keep.await.unwrap();
    }
    let server = Server::with(store.clone(), &[]).await;
    for wrong in ["\"", "\"\"", "a b", "\"a\"b\"", &"k".repeat(256), "a\\b"] {
        problem(
            create(&server, wrong, "one").await,
            StatusCode::BAD_REQUEST,
            "malformed",
        )
        .await;
    }
    let full = create(&server, "new", "one").await;
    assert!(full.headers().contains_key("retry-after"));
    problem(full, StatusCode::TOO_MANY_REQUESTS, "too-many-requests").await;
    assert_eq!(count(&server).await, 0);
    // Those of yesterday make room.
    store
        .keep_answer("x", "x", &kept(0), (now + 1, now + 1))
        .await
        .unwrap();
    assert_eq!(
        create(&server, "new", "one").await.status(),
        StatusCode::CREATED
    );
}
