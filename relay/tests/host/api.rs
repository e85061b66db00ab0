//! The relay's private API: closed to strangers, and able to drain the host. B3, F5.
use crate::support::*;
use patchbay_route::session::{Capacity, SessionList};
use patchbay_sip::Transport;
use reqwest::StatusCode;

#[tokio::test]
async fn everything_but_health_needs_the_link_secret() {
    let bed = Bed::start().await;
    for path in [
        "/relay/v1/sessions",
        "/relay/v1/events",
        "/relay/v1/capacity",
        "/metrics",
    ] {
        let bare = reqwest::get(bed.url(path)).await.unwrap();
        assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "{path}");
        let wrong = reqwest::Client::new()
            .get(bed.url(path))
            .bearer_auth("guess");
        let wrong = wrong.send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{path}");
        let right = bed.get(path).await;
        assert_eq!(right.status(), StatusCode::OK, "{path}");
    }
    let health = reqwest::get(bed.url("/healthz")).await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let bed = Bed::start().await;
    let control = bed.control().await;
    bed.until_ready(true).await;
    drop(control);
    bed.until_ready(false).await;
    let answer = reqwest::get(bed.url("/readyz")).await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("no control node is connected"), "{text}");
}

#[tokio::test]
async fn a_drained_host_refuses_new_calls_until_it_is_told_otherwise() {
    let bed = Bed::start().await;
    let _control = bed.control().await;
    bed.until_ready(true).await;
    let client = reqwest::Client::new();
    let drain = client.post(bed.url("/relay/v1/drain")).bearer_auth(SECRET);
    assert_eq!(drain.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let capacity: Capacity = bed.get("/relay/v1/capacity").await.json().await.unwrap();
    assert!(capacity.draining);
    assert_eq!((capacity.sessions, capacity.max_sessions), (0, 10));
    let phone = Phone::new(bed.sip(Transport::Udp)).await;
    let here = phone.socket.local_addr().unwrap();
    phone.send(&request("INVITE", "UDP", here)).await;
    assert_eq!(phone.answer().await.status(), Some(503));
    let undrain = client
        .delete(bed.url("/relay/v1/drain"))
        .bearer_auth(SECRET);
    assert_eq!(
        undrain.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    bed.until_ready(true).await;
}

#[tokio::test]
async fn sessions_and_events_agree_on_where_they_are() {
    let bed = Bed::start().await;
    let list: SessionList = bed.get("/relay/v1/sessions").await.json().await.unwrap();
    assert_eq!((list.cursor, list.sessions.len()), (0, 0));
    assert!(!list.instance.is_empty());
    let gone = bed.get("/relay/v1/events?after=77").await;
    assert_eq!(gone.status(), StatusCode::GONE);
    let ended = reqwest::Client::new()
        .delete(bed.url("/relay/v1/sessions/0123456789abcdef"))
        .bearer_auth(SECRET);
    assert_eq!(ended.send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_host_without_calls_stops_at_once() {
    let bed = Bed::start().await;
    let url = bed.url("/healthz");
    bed.relay.shutdown(std::time::Duration::from_secs(60)).await;
    assert!(reqwest::get(url).await.is_err());
}
