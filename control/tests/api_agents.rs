//! Agents one by one: declared, changed, paused, removed (F5, A4).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Server, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn an_agent_is_declared_changed_and_removed_alone() {
    let server = Server::configured().await;
    let path = "/api/v1/agents/carla";
    problem(server.get(path).await, StatusCode::NOT_FOUND, "not-found").await;
    let carla = json!({"name": "Carla", "skills": {"german": 3}, "password": "p4ss"});
    let answer = server.send(Method::PUT, path, &carla).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let applied: Value = answer.json().await.unwrap();
    assert_eq!(
        applied,
        json!({"added": ["agent:carla"], "changed": [], "removed": []})
    );

    let shown = server.json(path).await;
    assert_eq!(shown["id"], "carla");
    assert_eq!(shown["skills"], json!({"german": 3}));
    assert_eq!(shown["reachable"], false);
    assert_eq!(shown["declaration"]["password_set"], true);
    assert!(!shown.to_string().contains("p4ss"));
    assert_eq!(shown["devices"], json!([]));

    let mut changed = shown["declaration"].clone();
    changed["name"] = json!("Carla B.");
    let answer = server.send(Method::PUT, path, &changed).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(server.json(path).await["name"], "Carla B.");
    let stored = server.store.load_centre().await.unwrap().unwrap().1;
    let kept = stored
        .agents
        .iter()
        .find(|agent| agent.id.as_str() == "carla")
        .unwrap();
    assert_eq!(kept.password.as_ref().unwrap().expose(), "p4ss");

    let other = json!({"id": "dora", "uri": "sip:a@192.0.2.1"});
    let answer = server.send(Method::PUT, path, &other).await;
    let found = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    assert_eq!(found["errors"][0]["path"], "id");
    let unreachable = server.send(Method::PUT, path, &json!({"name": "x"})).await;
    problem(unreachable, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;

    let answer = server.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    problem(server.get(path).await, StatusCode::NOT_FOUND, "not-found").await;
    let answer = server.request(Method::DELETE, path).send().await.unwrap();
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;
    assert_eq!(
        server
            .json("/api/v1/agents")
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn an_agents_status_is_set() {
    let server = Server::configured().await;
    let path = "/api/v1/agents/bert";
    let status = "/api/v1/agents/bert/status";
    assert_eq!(server.json(path).await["status"], "paused", "as declared");
    assert_eq!(server.json(path).await["reachable"], true, "by its URI");
    for (body, expected) in [
        (json!({"status": "ready"}), "ready"),
        (json!({"status": "paused", "reason": "lunch"}), "paused"),
        (json!({"status": "logged_out"}), "logged_out"),
    ] {
        let answer = server.send(Method::POST, status, &body).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let shown = server.json(path).await;
        assert_eq!(shown["status"], expected);
        assert_eq!(shown.get("reason"), body.get("reason"));
    }
    let unknown = "/api/v1/agents/nobody/status";
    let answer = server
        .send(Method::POST, unknown, &json!({"status": "ready"}))
        .await;
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;
}
