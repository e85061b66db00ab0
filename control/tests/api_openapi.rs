//! The OpenAPI document lists every route, and the server answers each as the document says (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::Server;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const ROUTES: [&str; 42] = [
    "DELETE /api/v1/agents/{id}",
    "DELETE /api/v1/callbacks/{id}",
    "DELETE /api/v1/contacts/{id}",
    "DELETE /api/v1/tokens/{id}",
    "GET /api/v1/agents",
    "GET /api/v1/agents/{id}",
    "GET /api/v1/audit",
    "GET /api/v1/callbacks",
    "GET /api/v1/callbacks/{id}",
    "GET /api/v1/centre",
    "GET /api/v1/centre/versions",
    "GET /api/v1/centre/versions/{version}",
    "GET /api/v1/contacts",
    "GET /api/v1/contacts/{id}",
    "GET /api/v1/contacts/{id}/timeline",
    "GET /api/v1/events",
    "GET /api/v1/links",
    "GET /api/v1/openapi.json",
    "GET /api/v1/queues",
    "GET /api/v1/queues/{id}",
    "GET /api/v1/relays",
    "GET /api/v1/records",
    "GET /api/v1/reports/{by}",
    "GET /api/v1/route/{id}",
    "GET /api/v1/rules",
    "GET /api/v1/sessions",
    "GET /api/v1/trace",
    "GET /api/v1/tokens",
    "GET /api/v1/tokens/{id}",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "POST /api/v1/agents/{id}/status",
    "POST /api/v1/callbacks",
    "POST /api/v1/route",
    "POST /api/v1/route/{id}",
    "POST /api/v1/rules/explain",
    "POST /api/v1/tokens",
    "POST /api/v1/tokens/{id}/rotate",
    "PUT /api/v1/agents/{id}",
    "PUT /api/v1/centre",
    "PUT /api/v1/agents/{id}",
];

fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().clone();
        let path = path.clone();
        methods.into_iter().map(move |(method, operation)| {
            (
                method.to_uppercase().parse().unwrap(),
                path.clone(),
                operation,
            )
        })
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn every_route_is_documented_and_answers_as_documented() {
    let server = Server::configured().await;
    let document = server.json("/api/v1/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&document);
    let mut listed: Vec<String> = operations
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    listed.sort_unstable();
    let mut routes = ROUTES.to_vec();
    routes.sort_unstable();
    routes.dedup();
    assert_eq!(listed, routes);

    for (method, path, operation) in operations {
        let name = format!("{method} {path}");
        assert!(operation["summary"].is_string(), "{name} has no summary");
        let open = operation["security"] == json!([]) || operation["security"] == json!([{}]);
        assert_eq!(
            open,
            matches!(path.as_str(), "/healthz" | "/readyz"),
            "{name}"
        );
        let asked = path.replace("{id}", "0000000000000001");
        let request = server.request(method.clone(), &asked);
        let request = match operation.get("requestBody") {
            Some(_) => request.json(&json!({})),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
        let documented = &operation["responses"][status.as_str()];
        assert!(
            documented.is_object(),
            "{name} answered {status}, which is not documented"
        );
        if documented["content"].is_object() && !path.ends_with("/events") {
            check_content(&name, documented, answer).await;
        }
        let head = server
            .http
            .request(method, server.url(&asked))
            .send()
            .await
            .unwrap();
        let without_token = head.status() == StatusCode::UNAUTHORIZED;
        assert_eq!(without_token, !open, "{name} without the token");
    }
}

async fn check_content(name: &str, documented: &Value, answer: reqwest::Response) {
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let essence = kind.split(';').next().unwrap();
    let listed = documented["content"].as_object().unwrap();
    let problem = essence == "application/problem+json";
    assert!(
        listed.contains_key(essence) || problem,
        "{name}: {essence} is not in {listed:?}"
    );
}

#[test]
fn problems_have_their_media_type_and_parts_of_objects_are_open() {
    let document = serde_json::to_value(patchbay_control::api::document()).unwrap();
    let mut problems = 0;
    for (method, path, operation) in operations(&document) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                let is_problem = content["schema"]["$ref"] == "#/components/schemas/Problem";
                let named = kind == "application/problem+json";
                assert_eq!(is_problem, named, "{method} {path} {status}: {kind}");
                problems += usize::from(named);
            }
        }
    }
    assert!(problems > 100, "{problems}");
    let schemas = &document["components"]["schemas"];
    assert!(schemas["Agent"]["allOf"].is_array());
    assert_eq!(schemas["AgentView"]["additionalProperties"], Value::Null);
    assert_eq!(schemas["QueueView"]["additionalProperties"], false);
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let document = serde_json::to_value(patchbay_control::api::document()).unwrap();
    let mut waiting = vec![&document];
    let mut references = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    references += 1;
                }
                waiting.extend(fields.values());
            }
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
    assert!(references > 20);
}
