//! A token that asks too often, and an address that shows none, are slowed down (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Server, TOKEN, problem};
use patchbay_control::api::Settings;
use patchbay_control::api::limits::{FAILURE_COST, SOURCE_BURST, TOKEN_BURST_S};
use patchbay_control::store::Store;
use reqwest::{Response, StatusCode};
use serde_json::json;

async fn server(token_rate: u32) -> Server {
    let settings = Settings {
        token_rate,
        ..Settings::default()
    };
    Server::of(Store::in_memory().await.unwrap(), &[], settings).await
}

fn number(answer: &Response, name: &str) -> u64 {
    answer.headers()[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_token_has_its_rate_and_no_other_token_suffers() {
    let server = server(1).await;
    let (_, busy) = server
        .token(json!({"name": "busy", "role": "supervisor"}))
        .await;
    let mut passed = 0;
    let refused = loop {
        let answer = server.get_as(&busy, "/api/v1/queues").await;
        let policy = answer.headers()["ratelimit-policy"].to_str().unwrap();
        assert_eq!(policy, "\"token\";q=5;w=5");
        let standing = answer.headers()["ratelimit"].to_str().unwrap().to_owned();
        match answer.status() {
            StatusCode::OK => assert!(standing.starts_with("\"token\";r="), "{standing}"),
            _ => {
                assert!(standing.starts_with("\"token\";r=0;t="), "{standing}");
                break answer;
            }
        }
        passed += 1;
    };
    // However slow this machine is, so many pass at least.
    assert!(passed >= TOKEN_BURST_S, "{passed}");
    assert_eq!(number(&refused, "retry-after"), 1);
    problem(refused, StatusCode::TOO_MANY_REQUESTS, "too-many-requests").await;
    let (_, calm) = server
        .token(json!({"name": "calm", "role": "supervisor"}))
        .await;
    assert_eq!(
        server.get_as(&calm, "/api/v1/queues").await.status(),
        StatusCode::OK
    );
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("patchbay_api_rate_limited_total{of=\"token\"} 1"),
        "{metrics}"
    );
    let open = server
        .http
        .get(server.url("/healthz"))
        .send()
        .await
        .unwrap();
    assert!(open.headers().get("ratelimit").is_none());
}

#[tokio::test]
async fn what_a_token_may_not_do_counts_for_more() {
    let server = server(2).await;
    let (_, text) = server
        .token(json!({"name": "nosy", "role": "supervisor"}))
        .await;
    let mut refusals = 0;
    while server.get_as(&text, "/api/v1/tokens").await.status() == StatusCode::FORBIDDEN {
        refusals += 1;
        assert!(refusals < 10, "ten requests at once are one refusal");
    }
    assert!(refusals >= 1);
}

#[tokio::test]
async fn an_address_that_guesses_waits_ever_longer_but_known_tokens_pass() {
    let server = server(200).await;
    let (_, known) = server
        .token(json!({"name": "known", "role": "supervisor"}))
        .await;
    let (_, new) = server
        .token(json!({"name": "new", "role": "supervisor"}))
        .await;
    assert_eq!(
        server.get_as(&known, "/api/v1/queues").await.status(),
        StatusCode::OK
    );
    let mut tries = 0;
    let first = loop {
        let answer = server.get_as("guess", "/api/v1/queues").await;
        match answer.status() {
            StatusCode::UNAUTHORIZED => tries += 1,
            _ => break number(&answer, "retry-after"),
        }
    };
    assert!(tries >= SOURCE_BURST / FAILURE_COST, "{tries}");
    for _ in 0..50 {
        let answer = server.get_as("guess", "/api/v1/queues").await;
        problem(answer, StatusCode::TOO_MANY_REQUESTS, "too-many-requests").await;
    }
    let later = server.get_as("guess", "/api/v1/queues").await;
    assert!(number(&later, "retry-after") > first);
    // A token that never came from there is not told from a guess.
    let answer = server.get_as(&new, "/api/v1/queues").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    for right in [known.as_str(), TOKEN] {
        assert_eq!(
            server.get_as(right, "/api/v1/queues").await.status(),
            StatusCode::OK
        );
    }
    for open in ["/healthz", "/"] {
        let answer = server.http.get(server.url(open)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("patchbay_api_rate_limited_total{of=\"source\"} 53"),
        "{metrics}"
    );
}
