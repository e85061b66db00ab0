//! Who changed what, and who was not allowed to, is written down before it is answered (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{PATIENCE, Server, TOKEN, problem};
use patchbay_control::api::Settings;
use patchbay_control::store::{AuditFilter, Store};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

const AUDIT: &str = "/api/v1/audit";
const STATUS: &str = "/api/v1/agents/anna/status";

#[tokio::test]
async fn changes_and_refusals_are_written_down_and_reads_are_not() {
    let server = Server::configured().await;
    let (id, text) = server
        .token(json!({"name": "wallboard", "role": "supervisor"}))
        .await;
    let paused = json!({"status": "paused", "reason": "lunch"});
    let answer = server
        .request_as(&text, Method::POST, STATUS)
        .json(&paused)
        .send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let request_id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(request_id.len(), 16);
    let refused = server.get_as(&text, "/api/v1/tokens?after=secret").await;
    problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
    let missing = server
        .request(Method::DELETE, "/api/v1/agents/nobody")
        .send();
    problem(missing.await.unwrap(), StatusCode::NOT_FOUND, "not-found").await;
    server.get_as(&text, "/api/v1/agents").await;
    server
        .send(Method::POST, "/api/v1/rules/explain", &json!({}))
        .await;
    server.get_as("wrong", "/api/v1/agents").await;

    let log = server.json(AUDIT).await;
    let entries = log["entries"].as_array().unwrap();
    let short: Vec<String> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            let parts = [text("token"), text("method"), text("path")];
            format!("{} {} {}", parts.join(" "), entry["status"], text("what"))
        })
        .collect();
    assert_eq!(
        short,
        [
            "bootstrap DELETE /api/v1/agents/nobody 404 not-found".to_owned(),
            format!("{id} GET /api/v1/tokens 403 forbidden: needs tokens"),
            format!(
                "{id} POST {STATUS} 204 {}",
                r#"{"status":"paused","reason":"lunch"}"#
            ),
            format!("bootstrap POST /api/v1/tokens 201 token {id} (supervisor, wallboard)"),
            "bootstrap PUT /api/v1/centre 200 version 1: 5 added, 0 changed, 0 removed".to_owned(),
        ]
    );
    let entry = &entries[2];
    assert_eq!(entry["request_id"], request_id);
    assert_eq!(
        (&entry["name"], &entry["role"]),
        (&json!("wallboard"), &json!("supervisor"))
    );
    assert_eq!(entry["source"], "127.0.0.1");
    let now = entry["unix_ms"].as_u64().unwrap();
    assert!(now > 1_700_000_000_000, "{now}");
    let secret = text.rsplit('_').next().unwrap();
    assert!(!log.to_string().contains(secret) && !log.to_string().contains(TOKEN));
}

async fn numbers(server: &Server, query: &str) -> Vec<u64> {
    let log = server.json(&format!("{AUDIT}?{query}")).await;
    let entries = log["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["number"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_log_is_filtered_paged_bounded_and_written_as_csv() {
    let store = Store::in_memory().await.unwrap();
    let settings = Settings {
        audit_kept: 4,
        ..Settings::default()
    };
    let server = Server::of(store, &[], settings).await;
    server.put_toml("/api/v1/centre", api_support::CENTRE).await;
    let wish = json!({"name": "=cmd", "role": "supervisor"});
    let (id, text) = server.token(wish).await;
    for status in ["ready", "paused", "ready"] {
        let body = json!({"status": status});
        let answer = server
            .request_as(&text, Method::POST, STATUS)
            .json(&body)
            .send();
        assert_eq!(answer.await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(
        numbers(&server, "").await,
        [5, 4, 3, 2],
        "the oldest is removed"
    );
    assert_eq!(numbers(&server, &format!("token={id}")).await, [5, 4, 3]);
    assert_eq!(numbers(&server, "token=bootstrap").await, [2]);
    assert_eq!(numbers(&server, "to=2001-01-01").await, [0; 0]);
    assert_eq!(numbers(&server, "from=2001-01-01&limit=1").await, [5]);
    let answer = server.get(&format!("{AUDIT}?token={id}&limit=2")).await;
    let next = answer.headers()["link"].to_str().unwrap().to_owned();
    assert_eq!(
        next,
        format!("<{AUDIT}?token={id}&limit=2&before=4>; rel=\"next\"")
    );
    assert_eq!(
        numbers(&server, &format!("token={id}&limit=2&before=4")).await,
        [3]
    );
    problem(
        server.get(&format!("{AUDIT}?from=then")).await,
        StatusCode::BAD_REQUEST,
        "malformed",
    )
    .await;

    let answer = server.get(&format!("{AUDIT}?format=csv&limit=1")).await;
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("text/csv"), "{kind}");
    let csv = answer.text().await.unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("number,unix_ms,token,name,"), "{csv}");
    assert!(lines[1].contains(&format!(
        ",{id},'=cmd,supervisor,127.0.0.1,POST,{STATUS},204,"
    )));
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_keep_its_change_out_of_the_log() {
    let server = Server::configured().await;
    let body = r#"{"status": "paused"}"#;
    let head = format!(
        "POST {STATUS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
    }
    let mut events = server.events("?after=0").await;
    events.until("agent_status").await;
    // What was done is written down, whoever is still there to hear of it.
    let written = async {
        loop {
            let log = server
                .store
                .audit(&AuditFilter::default(), 50)
                .await
                .unwrap();
            if log
                .iter()
                .any(|row| row.entry.path == STATUS && row.entry.status == 204)
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
}

#[tokio::test]
async fn the_log_is_for_administrators_and_programs_with_the_scope() {
    let server = Server::configured().await;
    let scopes = json!({"name": "siem", "role": "integration", "scopes": ["audit:read"]});
    let (_, siem) = server.token(scopes).await;
    let log: Value = server.get_as(&siem, AUDIT).await.json().await.unwrap();
    assert_eq!(log["entries"].as_array().unwrap().len(), 2);
}
