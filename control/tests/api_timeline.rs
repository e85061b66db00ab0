//! The story of one contact by one call: what happened when, and what it adds up to (G4, F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;
use crate::store_support;

use api_support::{Caller, Server, invite, problem};
use patchbay_control::store::Store;
use reqwest::StatusCode;
use serde_json::json;
use store_support::second_agent_answers;

#[tokio::test]
async fn a_timeline_tells_each_step_with_its_time_and_adds_up_what_took_how_long() {
    let store = Store::in_memory().await.unwrap();
    store.append_events(&second_agent_answers()).await.unwrap();
    let server = Server::with(store, &[]).await;
    let story = server
        .json("/api/v1/contacts/0000000000000001/timeline")
        .await;
    assert_eq!(story["outcome"], "served");
    assert_eq!(story["ended_by"], "client");
    assert_eq!(story["agent"], "anna");
    assert_eq!(story["queue"], "support");
    assert_eq!(story["began_unix_ms"], 10_000);
    assert_eq!(story["truncated"], false);
    let sums = json!({"waited_ms": 6_500, "rang_ms": 3_000 + 1_500, "talked_ms": 60_000,
                      "wrap_up_ms": 3_500});
    assert_eq!(story["sums"], sums);
    let tried: Vec<_> = story["tried"].as_array().unwrap().iter().collect();
    assert_eq!(tried.len(), 2);
    let ben = json!({"agent": "ben", "offer": "000000000000000b", "at_ms": 2_000,
                     "rang_ms": 3_000, "result": "no_answer", "code": 480});
    assert_eq!(tried[0], &ben);
    assert_eq!(tried[1]["result"], "answered");
    assert_eq!(
        (&tried[1]["agent"], &tried[1]["rang_ms"]),
        (&json!("anna"), &json!(1_500))
    );

    let steps = story["steps"].as_array().unwrap();
    let at: Vec<u64> = steps.iter().map(|s| s["at_ms"].as_u64().unwrap()).collect();
    assert_eq!(at, [0, 0, 2_000, 2_200, 5_000, 5_100, 6_500, 66_500]);
    let text = |index: usize| steps[index]["text"].as_str().unwrap();
    assert!(
        text(0).contains("rule support makes it help for support"),
        "{}",
        text(0)
    );
    assert!(text(1).contains("at position 2"), "{}", text(1));
    assert_eq!(text(5), "ben does not answer (480)");
    assert_eq!(text(6), "anna answers after 6.5 s");
    assert!(
        text(7).contains("the caller ends the call after 1 min 00 s"),
        "{}",
        text(7)
    );
    assert_eq!(steps[7]["event"]["type"], "contact_ended");
    assert_eq!(steps[7]["event"]["cursor"], 9);
}

#[tokio::test]
async fn a_live_contact_has_a_timeline_and_an_unknown_one_has_none() {
    let server = Server::configured().await;
    let mut events = server.events("").await;
    let mut caller = Caller::connect(&server).await;
    caller.send(&invite("call", "")).await;
    let queued = events.until("contact_queued").await;
    let id = queued["contact"].as_str().unwrap();
    let story = server
        .json(&format!("/api/v1/contacts/{id}/timeline"))
        .await;
    assert_eq!(story["outcome"], "waiting");
    assert_eq!(story["ended_unix_ms"], json!(null));
    let last = story["steps"].as_array().unwrap().last().unwrap();
    let text = last["text"].as_str().unwrap();
    assert!(text.contains("bert is paused"), "{text}");
    for unknown in ["00000000000000ff", "nonsense"] {
        let answer = server
            .get(&format!("/api/v1/contacts/{unknown}/timeline"))
            .await;
        problem(answer, StatusCode::NOT_FOUND, "not-found").await;
    }
}
