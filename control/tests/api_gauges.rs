//! How queues stand, in the event streams of those who ask for it (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Caller, Events, Server, invite};
use serde_json::{Value, json};

/// The next gauge of the queue `support`, and the cursor it came with.
async fn gauge(events: &mut Events) -> (u64, Value) {
    loop {
        let (cursor, event) = events.next().await.unwrap();
        if event["type"] == "queue_gauge" && event["queue"] == "support" {
            assert_eq!(event["cursor"], cursor);
            return (cursor, event);
        }
    }
}

// F5
#[tokio::test]
async fn a_stream_tells_gauges_when_they_change_and_the_store_keeps_none() {
    let server = Server::configured().await;
    let mut caller = Caller::connect(&server).await;
    let mut live = server.events("?gauges=true").await;
    let mut without = server.events("").await;
    let (_, empty) = gauge(&mut live).await;
    assert_eq!(empty["waiting"], 0);
    assert_eq!(empty["oldest_unix_ms"], Value::Null);
    caller.send(&invite("one", "")).await;
    let (cursor, one) = gauge(&mut live).await;
    assert_eq!(one["waiting"], 1);
    assert!(one["oldest_unix_ms"].as_u64().unwrap() <= one["unix_ms"].as_u64().unwrap());
    let contact = without.until("contact_queued").await["contact"].clone();
    let end = format!("/api/v1/contacts/{}", contact.as_str().unwrap());
    server
        .request(reqwest::Method::DELETE, &end)
        .send()
        .await
        .unwrap();
    caller.expect(480).await;
    let (_, none) = gauge(&mut live).await;
    assert_eq!(none["waiting"], 0);

    // Whoever goes on from a gauge's cursor misses nothing, and old gauges are nowhere.
    let mut again = server.events(&format!("?after={cursor}")).await;
    let (next, _) = again.next().await.unwrap();
    assert_eq!(next, cursor + 1);
    let mut whole = server.events("?after=0").await;
    loop {
        let (_, event) = whole.next().await.unwrap();
        assert_ne!(event["type"], json!("queue_gauge"));
        if event["type"] == "contact_abandoned" {
            break;
        }
    }
}
