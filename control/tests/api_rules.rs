//! Rules are tried out on facts and on an INVITE, and explain their answer (A3, G4).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Server, invite, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/rules/explain";

async fn explain(server: &Server, kind: &str, text: String) -> Value {
    let request = server
        .request(Method::POST, PATH)
        .header("Content-Type", kind)
        .body(text);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_dry_run_says_which_rule_matched_and_why_the_others_did_not() {
    let server = Server::configured().await;
    let rules = server.json("/api/v1/rules").await;
    assert_eq!(rules[0]["id"], "gold");
    let facts = json!({
        "to": "sip:support@example.com",
        "from": "sip:eve@example.net",
        "media": [{"kind": "audio", "protocol": "RTP/AVP", "codecs": ["PCMU"]}]
    });
    let told: Value = server
        .send(Method::POST, PATH, &facts)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(told["typed"]["rule"], "everybody");
    assert_eq!(told["typed"]["call_type"], "help");
    assert_eq!(told["rules"][0]["matched"], false);
    let conditions = told["rules"][0]["conditions"].as_array().unwrap();
    let failed = conditions.iter().find(|one| one["holds"] == false).unwrap();
    assert!(
        failed["condition"].as_str().unwrap().starts_with("header"),
        "{failed}"
    );
    assert_eq!(
        told["outcome"], "queue",
        "anna has no phone and bert is paused"
    );
    let considered = told["choice"]["considered"].as_array().unwrap();
    let verdict = |agent: &str| {
        considered.iter().find(|one| one["agent"] == agent).unwrap()["verdict"].clone()
    };
    assert_eq!(
        (verdict("anna"), verdict("bert")),
        (json!("unreachable"), json!("paused"))
    );
    assert_eq!(
        server.json("/api/v1/contacts").await["live"],
        json!([]),
        "nothing was changed"
    );
}

#[tokio::test]
async fn an_invite_is_tried_as_it_is() {
    let server = Server::configured().await;
    let gold = invite("a", "X-Tier: gold\r\n");
    let told = explain(&server, "message/sip", gold.clone()).await;
    assert_eq!(told["typed"]["rule"], "gold");
    assert_eq!(told["typed"]["priority"], 5);
    // A file from an editor: its lines are shorter by one byte than its Content-Length says.
    let told = explain(&server, "text/plain", gold.replace("\r\n", "\n")).await;
    assert_eq!(told["typed"]["rule"], "gold");

    for (kind, text) in [
        ("text/plain", "hello"),
        ("message/sip", "OPTIONS sip:a SIP/2.0\r\n\r\n"),
    ] {
        let request = server
            .request(Method::POST, PATH)
            .header("Content-Type", kind);
        let answer = request.body(text).send().await.unwrap();
        problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
    }
    let answer = server.send(Method::POST, PATH, &json!({"too": "x"})).await;
    problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
}
