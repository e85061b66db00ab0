//! The event stream has no gap and no repetition, wherever it begins (F5, A4).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Caller, Server, TOKEN, invite, problem};
use patchbay_control::store::Store;
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn a_stream_replays_what_was_and_goes_on_with_what_happens() {
    let server = Server::configured().await;
    let mut caller = Caller::connect(&server).await;
    let mut live = server.events("").await;
    caller.send(&invite("one", "")).await;
    let queued = live.until("contact_queued").await;
    let contact = queued["contact"].clone();
    assert_eq!(queued["choice"]["qualified"], 2, "{queued}");

    let mut whole = server.events("?after=0").await;
    let mut cursors = Vec::new();
    loop {
        let (cursor, event) = whole.next().await.unwrap();
        assert_eq!(event["cursor"], cursor);
        cursors.push(cursor);
        if event["type"] == "contact_queued" {
            assert_eq!(event, queued);
            break;
        }
    }
    // The same stream goes on live.
    let end = format!("/api/v1/contacts/{}", contact.as_str().unwrap());
    let answer = server.request(Method::DELETE, &end).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    caller.expect(480).await;
    loop {
        let (cursor, event) = whole.next().await.unwrap();
        cursors.push(cursor);
        if event["contact"] == contact {
            break;
        }
    }
    let last = *cursors.last().unwrap();
    let without_gap: Vec<u64> = (1..=last).collect();
    assert_eq!(cursors, without_gap);

    // A reader that comes back goes on where it was; the header is newer than the query.
    let request = server
        .http
        .get(server.url("/api/v1/events?after=0"))
        .bearer_auth(TOKEN);
    let answer = request.header("Last-Event-ID", "2").send().await.unwrap();
    let mut resumed = api_support::Events::of(answer);
    assert_eq!(resumed.next().await.unwrap().0, 3);
    let mut recent = server.events("?recent=2").await;
    assert_eq!(
        recent.next().await.unwrap().0,
        server.store.last_cursor().await - 1
    );
}

#[tokio::test]
async fn a_cursor_that_cannot_be_continued_is_refused() {
    let server = Server::configured().await;
    let ahead = server.get("/api/v1/events?after=999999").await;
    let found = problem(ahead, StatusCode::GONE, "gone").await;
    assert!(found["detail"].as_str().unwrap().contains("after="));
    let request = server
        .request(Method::GET, "/api/v1/events")
        .header("Last-Event-ID", "x");
    let answer = request.send().await.unwrap();
    problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
}

#[tokio::test]
async fn streams_are_limited_in_number_and_end_when_the_api_stops() {
    let mut server = Server::with(Store::in_memory().await.unwrap(), &[]).await;
    let mut streams = Vec::new();
    for _ in 0..patchbay_control::api::limits::MAX_STREAMS {
        streams.push(server.events("").await);
    }
    let answer = server.get("/api/v1/events").await;
    assert_eq!(answer.headers()["retry-after"], "2");
    problem(answer, StatusCode::SERVICE_UNAVAILABLE, "busy").await;
    assert_eq!(
        server.json("/api/v1/queues").await,
        json!([]),
        "other requests are served"
    );
    server.stop().await;
    for mut stream in streams {
        // What the process told of its start may be on its way.
        while stream.next().await.is_some() {}
    }
}
