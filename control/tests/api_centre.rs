//! The declaration through the API: applied as often as one likes, faults all together, passwords
//! never out (F5, A4).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{CENTRE, Server, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/centre";

#[tokio::test]
async fn a_declaration_is_applied_idempotently_and_shown_without_passwords() {
    let server = Server::start().await;
    let preview: Value = server
        .put_toml("/api/v1/centre?dry_run=true", CENTRE)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        server.json("/api/v1/queues").await,
        json!([]),
        "a dry run changes nothing"
    );
    let answer = server.put_toml(PATH, CENTRE).await;
    assert_eq!(answer.headers()["etag"], "\"1\"");
    let applied: Value = answer.json().await.unwrap();
    assert_eq!(applied, preview);
    let mut added: Vec<&str> = applied["added"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    added.sort_unstable();
    assert_eq!(
        added,
        [
            "agent:anna",
            "agent:bert",
            "queue:support",
            "rule:everybody",
            "rule:gold"
        ]
    );
    let again: Value = server.put_toml(PATH, CENTRE).await.json().await.unwrap();
    assert_eq!(again, json!({"added": [], "changed": [], "removed": []}));

    let answer = server.get(PATH).await;
    assert_eq!(answer.headers()["etag"], "\"1\"");
    let text = answer.text().await.unwrap();
    assert!(!text.contains("secret word"), "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["agent"][0]["password_set"], true);
    assert_eq!(shown["agent"][1]["password_set"], false);

    // What is shown can be sent back: the password stays.
    let back: Value = server
        .send(Method::PUT, PATH, &shown)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(back, again);
    let stored = server.store.load_centre().await.unwrap().unwrap().1;
    let password = stored.agents[0].password.as_ref().unwrap();
    assert_eq!(password.expose(), "anna's secret word");
}

#[tokio::test]
async fn every_change_is_named_and_the_preview_says_the_same() {
    let server = Server::configured().await;
    let mut centre = server.json(PATH).await;
    let silver = json!({"id": "silver", "when": {"from": "x@y"}, "then": {"refuse": 486}});
    centre["rule"].as_array_mut().unwrap().insert(1, silver);
    let applied: Value = server
        .send(Method::PUT, PATH, &centre)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        applied,
        json!({"added": ["rule:silver"], "changed": [], "removed": []})
    );

    centre["queue"][0]["ring_seconds"] = json!(9);
    centre["agent"][0]["password"] = json!("another");
    centre["agent"][1]["id"] = json!("carl");
    centre["rule"].as_array_mut().unwrap().swap(0, 1);
    centre["offers"]["skip_seconds"] = json!(7);
    let preview = server
        .send(Method::PUT, "/api/v1/centre?dry_run=true", &centre)
        .await;
    let preview: Value = preview.json().await.unwrap();
    let applied: Value = server
        .send(Method::PUT, PATH, &centre)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(applied, preview);
    let changed = json!(["queue:support", "agent:anna", "rules:order", "offers"]);
    assert_eq!(applied["changed"], changed);
    assert_eq!(applied["added"], json!(["agent:carl"]));
    assert_eq!(applied["removed"], json!(["agent:bert"]));
}

#[tokio::test]
async fn all_faults_are_listed_and_nothing_is_changed() {
    let server = Server::configured().await;
    let before = server.json(PATH).await;
    let misread = json!({
        "queue": [{"id": "support", "ring_secnds": 5}, {"ring_seconds": 5}],
        "agent": [{"id": "anna", "password_set": true}, {"id": "dora", "password_set": true}],
        "rules": []
    });
    let answer = server.send(Method::PUT, PATH, &misread).await;
    let found = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    let paths: Vec<&str> = found["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["queue[0]", "queue[1]", "agent[1].password_set", "rules"]
    );

    let contradictory = json!({
        "queue": [{"id": "support", "ring_seconds": 0}],
        "agent": [{"id": "anna"}],
        "rule": [{"id": "x", "then": {"queue": "suport"}}]
    });
    let answer = server.send(Method::PUT, PATH, &contradictory).await;
    let found = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    let errors = found["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{errors:#?}");
    for error in errors {
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        assert!(!error["remedy"].as_str().unwrap().is_empty(), "{error}");
    }
    let answer = server.put_toml(PATH, "[[queue]\n").await;
    problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
    let answer = server.send(Method::PUT, PATH, &json!([])).await;
    problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    assert_eq!(server.json(PATH).await, before);
}

#[tokio::test]
async fn a_change_over_somebody_elses_is_refused_when_asked_to() {
    let server = Server::configured().await;
    let centre = server.json(PATH).await;
    let put = |tag: &'static str| {
        let request = server
            .request(Method::PUT, PATH)
            .header("If-Match", tag)
            .json(&centre);
        async move { request.send().await.unwrap() }
    };
    problem(
        put("\"0\"").await,
        StatusCode::PRECONDITION_FAILED,
        "changed",
    )
    .await;
    assert_eq!(put("\"1\"").await.status(), StatusCode::OK);
    assert_eq!(put("*").await.status(), StatusCode::OK);
}
