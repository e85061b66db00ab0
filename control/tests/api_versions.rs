//! Declarations are numbered and kept, without passwords; one with a fault changes nothing (A3, G4).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{CENTRE, Server, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/centre";
const VERSIONS: &str = "/api/v1/centre/versions";

async fn put(server: &Server, query: &str, centre: &Value) -> StatusCode {
    let path = format!("{PATH}{query}");
    server.send(Method::PUT, &path, centre).await.status()
}

#[tokio::test]
async fn each_version_is_listed_with_its_comment_and_shown_without_passwords() {
    let server = Server::start().await;
    assert_eq!(
        server.json(VERSIONS).await,
        json!({"versions": [], "next_before": null})
    );
    server
        .put_toml(&format!("{PATH}?comment=first"), CENTRE)
        .await;
    let mut centre = server.json(PATH).await;
    for ring in 5..9 {
        centre["queue"][0]["ring_seconds"] = json!(ring);
        assert_eq!(
            put(&server, "?comment=slower%20phones", &centre).await,
            StatusCode::OK
        );
    }
    assert_eq!(
        put(&server, "?dry_run=true&comment=none", &centre).await,
        StatusCode::OK
    );
    assert_eq!(put(&server, "?comment=same", &centre).await, StatusCode::OK);
    let page = server.json(&format!("{VERSIONS}?limit=2")).await;
    let numbers = |page: &Value| -> Vec<u64> {
        let versions = page["versions"].as_array().unwrap().iter();
        versions
            .map(|one| one["version"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(
        (numbers(&page), &page["next_before"]),
        (vec![5, 4], &json!(4))
    );
    assert_eq!(page["versions"][0]["comment"], "slower phones");
    let last = server.json(&format!("{VERSIONS}?before=4")).await;
    assert_eq!(
        (numbers(&last), &last["next_before"]),
        (vec![3, 2, 1], &json!(null))
    );

    let answer = server.get(&format!("{VERSIONS}/1")).await;
    let text = answer.text().await.unwrap();
    assert!(!text.contains("secret word"), "{text}");
    let first: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&first["version"], &first["comment"]),
        (&json!(1), &json!("first"))
    );
    assert_eq!(first["declaration"]["agent"][0]["password_set"], true);
    // It can be applied again.
    assert_eq!(
        put(&server, "?comment=back", &first["declaration"]).await,
        StatusCode::OK
    );
    assert_eq!(server.json(VERSIONS).await["versions"][0]["version"], 6);
    let stored = server.store.load_centre().await.unwrap().unwrap().1;
    let password = stored.agents[0].password.as_ref().unwrap();
    assert_eq!(password.expose(), "anna's secret word");

    for missing in ["/7", "/0", "/x", "/-1"] {
        let answer = server.get(&format!("{VERSIONS}{missing}")).await;
        problem(answer, StatusCode::NOT_FOUND, "not-found").await;
    }
    let long = format!("{PATH}?comment={}", "x".repeat(600));
    let answer = server.send(Method::PUT, &long, &centre).await;
    problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
}

#[tokio::test]
async fn a_bad_expression_leaves_the_old_declaration_in_force() {
    let server = Server::configured().await;
    let before = server.json(PATH).await;
    let mut bad = before.clone();
    let rule =
        json!({"id": "bad", "when": {"expression": "header.tier == 1"}, "then": {"refuse": 486}});
    bad["rule"].as_array_mut().unwrap().insert(0, rule);
    bad["queue"][0]["ring_seconds"] = json!(9);
    let answer = server.send(Method::PUT, PATH, &bad).await;
    let found = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    let error = &found["errors"][0];
    assert_eq!(error["path"], "rule[0].when.expression");
    assert_eq!(error["message"], "there is no variable `header`");
    assert!(
        error["remedy"].as_str().unwrap().contains("headers"),
        "{error}"
    );
    assert_eq!(server.json(PATH).await, before);
    assert_eq!(
        server.json(VERSIONS).await["versions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // A dry run of a call at another time sees the calendar of that time.
    let calendar =
        json!([{"id": "office", "holidays": [{"date": "*-12-25", "name": "Christmas"}]}]);
    bad["calendar"] = calendar;
    bad["rule"][0]["when"] = json!({"calendar": "!office"});
    assert_eq!(put(&server, "", &bad).await, StatusCode::OK);
    let facts = json!({"to": "sip:support@example.com", "delayed_offer": true});
    for (at, rule) in [("1798192800000", "bad"), ("1798106400000", "everybody")] {
        let path = format!("/api/v1/rules/explain?at_unix_ms={at}");
        let told: Value = server
            .send(Method::POST, &path, &facts)
            .await
            .json()
            .await
            .unwrap();
        let matched = told["rules"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&matched["rule"], &matched["matched"]),
            (&json!(rule), &json!(true)),
            "{told}"
        );
    }
}
