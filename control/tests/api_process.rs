//! For those who run it: health, readiness with what is missing, metrics, relays (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Caller, Server, invite};
use patchbay_control::store::Store;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let server = Server::start().await;
    let health: Value = server
        .http
        .get(server.url("/healthz"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(health["status"], "ok");
    let answer = server.http.get(server.url("/readyz")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = answer.json().await.unwrap();
    assert_eq!(ready["ready"], false);
    let missing = ready["missing"].as_array().unwrap();
    assert!(
        missing
            .iter()
            .any(|one| one.as_str().unwrap().contains("no relay")),
        "{ready}"
    );
}

#[tokio::test]
async fn metrics_count_contacts_agents_and_requests() {
    let server = Server::configured().await;
    let mut events = server.events("").await;
    let mut caller = Caller::connect(&server).await;
    caller.send(&invite("call", "")).await;
    events.until("contact_queued").await;
    server.get("/api/v1/nothing").await;
    let text = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "patchbay_contacts_live{state=\"waiting\"} 1",
        "patchbay_contacts_live{state=\"connected\"} 0",
        "patchbay_agents{state=\"paused\"} 1",
        "patchbay_agents{state=\"unreachable\"} 1",
        "patchbay_queue_length{queue=\"support\"} 1",
        "patchbay_api_event_streams 1",
        "patchbay_api_requests_total{method=\"PUT\",route=\"/api/v1/centre\",status=\"200\"} 1",
        "patchbay_api_requests_total{method=\"GET\",route=\"other\",status=\"404\"} 1",
    ] {
        assert!(
            text.lines().any(|one| one == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(text.ends_with("# EOF\n"));
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "no family is there twice");
}

#[tokio::test]
async fn a_relay_that_does_not_answer_is_named() {
    // Port 9 on loopback: nobody listens there.
    let server = Server::with(Store::in_memory().await.unwrap(), &["http://127.0.0.1:9"]).await;
    let sessions = server.json("/api/v1/sessions").await;
    assert_eq!(sessions["sessions"], json!([]));
    assert_eq!(sessions["unreachable"][0]["relay"], "http://127.0.0.1:9");
    let relays = server.json("/api/v1/relays").await;
    assert_eq!(relays[0]["url"], "http://127.0.0.1:9");
    assert_eq!(relays[0]["events_up"], false);
}
