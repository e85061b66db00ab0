//! Who may, and what the API says to a request that it cannot take (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Server, TOKEN, problem};
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn nothing_is_told_without_the_token() {
    let server = Server::configured().await;
    for path in [
        "/api/v1/agents",
        "/api/v1/openapi.json",
        "/metrics",
        "/api/v1/nothing",
        "/x",
    ] {
        for token in [
            "",
            "Bearer",
            "Bearer wrong",
            "Basic 0123",
            &format!("bearer {TOKEN}x"),
        ] {
            let request = server
                .http
                .get(server.url(path))
                .header("Authorization", token);
            let answer = request.send().await.unwrap();
            let challenge = answer.headers().get("www-authenticate").cloned();
            assert_eq!(challenge.unwrap(), "Bearer realm=\"patchbay\"");
            problem(answer, StatusCode::UNAUTHORIZED, "unauthorized").await;
        }
    }
    let right = server.http.get(server.url("/api/v1/agents"));
    let right = right
        .header("Authorization", format!("bearer {TOKEN}"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        right.status(),
        StatusCode::OK,
        "the scheme's name knows no case"
    );
    for path in ["/healthz", "/", "/status.js", "/status.css"] {
        let open = server.http.get(server.url(path)).send().await.unwrap();
        assert_eq!(open.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_answered_with_a_problem_document() {
    let server = Server::configured().await;
    let answer = server.get("/api/v1/nothing").await;
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;
    let answer = server.get("/api/v1/contacts/nonsense").await;
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;

    let answer = server
        .request(Method::PATCH, "/api/v1/centre")
        .send()
        .await
        .unwrap();
    let allowed = answer.headers()["allow"].to_str().unwrap().to_owned();
    assert!(
        allowed.contains("GET") && allowed.contains("PUT"),
        "{allowed}"
    );
    problem(answer, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed").await;

    let status = "/api/v1/agents/anna/status";
    let answer = server
        .request(Method::POST, status)
        .body("ready")
        .send()
        .await
        .unwrap();
    problem(
        answer,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
    )
    .await;
    let broken = server
        .request(Method::POST, status)
        .header("Content-Type", "application/json");
    let answer = broken.body("{").send().await.unwrap();
    problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
    let answer = server
        .send(Method::POST, status, &json!({"status": "asleep"}))
        .await;
    let problem_422 = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    assert!(
        problem_422["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("asleep")
    );
    let long = json!({"status": "paused", "reason": "x".repeat(200_000)});
    let answer = server.send(Method::POST, status, &long).await;
    problem(answer, StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
    let answer = server.get("/api/v1/contacts?limit=many").await;
    problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
    let answer = server.get("/api/v1/contacts?lmit=1").await;
    problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
}
