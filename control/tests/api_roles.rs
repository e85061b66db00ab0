//! Every route says what it needs, and every role gets the right answer on every route (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use std::collections::BTreeSet;

use api_support::{Caller, Server, invite, problem};
use patchbay_control::access::Permission;
use patchbay_control::api::needs::{Own, ROUTES};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Route, permission, who may besides administrators and programs with the scope: `s` supervisors, `a`
/// the agent itself, `p` every program. Written down a second time on purpose.
const RIGHTS: [(&str, &str, &str); 39] = [
    ("GET /metrics", "metrics:read", "s"),
    ("GET /api/v1/openapi.json", "document", "sp"),
    ("GET /api/v1/centre", "centre:read", "s"),
    ("PUT /api/v1/centre", "centre:write", ""),
    ("GET /api/v1/centre/versions", "centre:read", "s"),
    ("GET /api/v1/centre/versions/{version}", "centre:read", "s"),
    ("GET /api/v1/rules", "centre:read", "s"),
    ("POST /api/v1/rules/explain", "rules:explain", "s"),
    ("GET /api/v1/agents", "agents:read", "s"),
    ("GET /api/v1/agents/{id}", "agents:read", "sa"),
    ("PUT /api/v1/agents/{id}", "centre:write", ""),
    ("DELETE /api/v1/agents/{id}", "centre:write", ""),
    ("POST /api/v1/agents/{id}/status", "agents:write", "sa"),
    ("GET /api/v1/queues", "queues:read", "s"),
    ("GET /api/v1/queues/{id}", "queues:read", "s"),
    ("GET /api/v1/links", "queues:read", "s"),
    ("GET /api/v1/contacts", "contacts:read", "s"),
    ("GET /api/v1/contacts/{id}", "contacts:read", "sa"),
    ("DELETE /api/v1/contacts/{id}", "contacts:end", "s"),
    ("GET /api/v1/contacts/{id}/timeline", "contacts:read", "s"),
    ("GET /api/v1/callbacks", "contacts:route", ""),
    ("POST /api/v1/callbacks", "contacts:route", ""),
    ("GET /api/v1/callbacks/{id}", "contacts:route", ""),
    ("DELETE /api/v1/callbacks/{id}", "contacts:route", ""),
    ("POST /api/v1/route", "contacts:route", ""),
    ("GET /api/v1/route/{id}", "contacts:route", "a"),
    ("POST /api/v1/route/{id}", "contacts:route", "a"),
    ("GET /api/v1/sessions", "relays:read", "s"),
    ("GET /api/v1/relays", "relays:read", "s"),
    ("GET /api/v1/events", "events:read", "s"),
    ("GET /api/v1/reports/{by}", "reports:read", "s"),
    ("GET /api/v1/records", "records:read", "s"),
    ("GET /api/v1/trace", "trace", "s"),
    ("GET /api/v1/tokens", "tokens", ""),
    ("POST /api/v1/tokens", "tokens", ""),
    ("GET /api/v1/tokens/{id}", "tokens", ""),
    ("DELETE /api/v1/tokens/{id}", "tokens", ""),
    ("POST /api/v1/tokens/{id}/rotate", "tokens", ""),
    ("GET /api/v1/audit", "audit:read", ""),
];

#[test]
fn every_documented_route_is_in_the_table_and_says_what_it_needs() {
    let document = serde_json::to_value(patchbay_control::api::document()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            if matches!(path.as_str(), "/healthz" | "/readyz") {
                assert_eq!(operation["security"], json!([{}]), "{name}");
                continue;
            }
            let right = RIGHTS.iter().find(|(route, ..)| *route == name);
            let (_, needs, who) = right.unwrap_or_else(|| unlisted(&name));
            assert_eq!(operation["security"], json!([{"token": [needs]}]), "{name}");
            let said = operation["description"].as_str().unwrap();
            assert!(said.contains(&format!("`{needs}`")), "{name}: {said}");
            let own = said.contains("An agent's token may");
            assert_eq!(own, who.contains('a'), "{name}: {said}");
            for status in ["401", "403", "429"] {
                assert!(operation["responses"][status].is_object(), "{name}");
            }
            documented.insert(name);
        }
    }
    let name = |route: &patchbay_control::api::needs::Route| {
        assert_eq!(route.own == Own::Nothing, !own(route.method, route.path));
        format!("{} {}", route.method, route.path)
    };
    let listed: BTreeSet<String> = ROUTES.iter().map(name).collect();
    assert_eq!(listed.len(), ROUTES.len(), "no route is listed twice");
    assert_eq!(listed, documented);
    assert_eq!(RIGHTS.len(), ROUTES.len());
}

fn own(method: &str, path: &str) -> bool {
    let name = format!("{method} {path}");
    RIGHTS
        .iter()
        .any(|(route, _, who)| *route == name && who.contains('a'))
}

fn unlisted(name: &str) -> ! {
    unreachable!("{name} is not in the table of this test")
}

/// A centre in which bert's phone is being called, and a token of each kind.
struct Stage {
    server: Server,
    contact: String,
    supervisor: String,
    agent: String,
    _caller: Caller,
}

impl Stage {
    async fn set() -> Stage {
        let server = Server::configured().await;
        let mut events = server.events("").await;
        let mut caller = Caller::connect(&server).await;
        let ready = json!({"status": "ready"});
        let answer = server.send(Method::POST, "/api/v1/agents/bert/status", &ready);
        assert_eq!(answer.await.status(), StatusCode::NO_CONTENT);
        caller.send(&invite("call", "")).await;
        let offered = events.until("contact_offered").await;
        assert_eq!(offered["agent"], "bert");
        let contact = offered["contact"].as_str().unwrap().to_owned();
        let wish = json!({"name": "wallboard", "role": "supervisor"});
        let supervisor = server.token(wish).await.1;
        let wish = json!({"name": "bert's desk", "role": "agent", "agent": "bert"});
        let agent = server.token(wish).await.1;
        Stage {
            server,
            contact,
            supervisor,
            agent,
            _caller: caller,
        }
    }

    /// A path with things in it that exist, but for changes: those shall do no harm.
    fn path(&self, method: &Method, path: &str) -> String {
        let id = match path {
            _ if path.starts_with("/api/v1/contacts") && *method == Method::GET => &self.contact,
            // One that the relay carries, so that there is nothing to tell of it.
            _ if path.starts_with("/api/v1/route/") => &self.contact,
            _ if path.starts_with("/api/v1/agents") && *method != Method::DELETE => "bert",
            _ if path.starts_with("/api/v1/queues") => "support",
            _ => "0000000000000001",
        };
        let path = path.replace("{id}", id);
        // This one needs to know which link.
        let path = path.replace("/links", "/links?to=sip:help@centre.example");
        path.replace("{version}", "1").replace("{by}", "queues")
    }

    async fn ask(&self, token: &str, route: &str) -> reqwest::Response {
        let (method, path) = route.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let path = self.path(&method, path);
        let request = self.server.request_as(token, method.clone(), &path);
        // No change can be made of this; who may make one learns what is wrong with it.
        let request = match method == Method::PUT || method == Method::POST {
            true => request.json(&json!({"nonsense": true})),
            false => request,
        };
        request.send().await.unwrap()
    }

    /// What may be done is done or judged, what may not be is refused by name.
    async fn check(&self, who: &str, token: &str, route: &str, needs: &str, may: bool) {
        let answer = self.ask(token, route).await;
        let status = answer.status();
        if !may {
            assert_eq!(status, StatusCode::FORBIDDEN, "{who} {route}");
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            let scope = format!("error=\"insufficient_scope\", scope=\"{needs}\"");
            assert!(challenge.ends_with(&scope), "{who} {route}: {challenge}");
            let refused = problem(answer, StatusCode::FORBIDDEN, "forbidden").await;
            assert_eq!(refused["permission"], needs, "{who} {route}");
            return;
        }
        let absent = ["tokens/{id}", "callbacks/{id}", "route/{id}"];
        let gets = route.starts_with("GET") && !absent.iter().any(|end| route.ends_with(end));
        let expected = match gets {
            true => status == StatusCode::OK,
            false => status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::NOT_FOUND,
        };
        assert!(expected, "{who} {route} got {status}");
    }
}

#[tokio::test]
async fn each_role_gets_the_right_answer_on_each_route() {
    let stage = Stage::set().await;
    for (route, needs, who) in RIGHTS {
        let supervisor = who.contains('s');
        let token = &stage.supervisor;
        stage
            .check("supervisor", token, route, needs, supervisor)
            .await;
        let agent = who.contains('a');
        stage
            .check("agent", &stage.agent, route, needs, agent)
            .await;
        let admin = api_support::TOKEN;
        stage.check("admin", admin, route, needs, true).await;
    }
}

#[tokio::test]
async fn a_program_may_what_its_scopes_name_and_nothing_else() {
    let stage = Stage::set().await;
    let all: Vec<&str> = Permission::scopes()
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    for scope in &all {
        let only = json!({"name": "only", "role": "integration", "scopes": [scope]});
        let only = stage.server.token(only).await.1;
        let others: Vec<_> = all.iter().filter(|other| *other != scope).collect();
        let others = json!({"name": "others", "role": "integration", "scopes": others});
        let others = stage.server.token(others).await.1;
        for (route, needs, who) in RIGHTS {
            let everybody = who.contains('p');
            if needs == *scope || everybody {
                stage.check("only", &only, route, needs, true).await;
            }
            if needs == *scope {
                stage.check("others", &others, route, needs, false).await;
            }
        }
        let foreign = RIGHTS
            .iter()
            .find(|(_, needs, _)| needs != scope && *needs != "document");
        let (route, needs, _) = foreign.unwrap();
        stage.check("only", &only, route, needs, false).await;
    }
    let admin = json!({"name": "second", "role": "admin"});
    let admin = stage.server.token(admin).await.1;
    for (route, needs, _) in RIGHTS {
        stage.check("admin", &admin, route, needs, true).await;
    }
}

#[tokio::test]
async fn an_agent_reaches_nobody_else() {
    let stage = Stage::set().await;
    let Stage {
        server,
        contact,
        agent,
        ..
    } = &stage;
    let own: Value = server
        .get_as(agent, "/api/v1/agents/bert")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        own["contact"], *contact,
        "an agent finds its contact in its state"
    );
    let paused = json!({"status": "paused", "reason": "lunch"});
    let path = |id: &str| format!("/api/v1/agents/{id}/status");
    let set = |id: &str| {
        server
            .request_as(agent, Method::POST, &path(id))
            .json(&paused)
            .send()
    };
    assert_eq!(set("bert").await.unwrap().status(), StatusCode::NO_CONTENT);
    for other in ["anna", "nobody", "bert%2F..%2Fanna", "Bert"] {
        let answer = set(other).await.unwrap();
        problem(answer, StatusCode::FORBIDDEN, "forbidden").await;
        let answer = server
            .get_as(agent, &format!("/api/v1/agents/{other}"))
            .await;
        problem(answer, StatusCode::FORBIDDEN, "forbidden").await;
    }
    assert_eq!(
        set("b%65rt").await.unwrap().status(),
        StatusCode::NO_CONTENT
    );

    let mut events = server.events("").await;
    let mut second = Caller::connect(server).await;
    second.send(&invite("second", "")).await;
    let waits = events.until("contact_queued").await;
    for foreign in [waits["contact"].as_str().unwrap(), "00000000000000aa", "x"] {
        let answer = server
            .get_as(agent, &format!("/api/v1/contacts/{foreign}"))
            .await;
        problem(answer, StatusCode::FORBIDDEN, "forbidden").await;
    }
    let answer = server.get_as(agent, "/api/v1/nothing").await;
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;
    let answer = server.request_as(agent, Method::PATCH, "/api/v1/agents/bert");
    problem(
        answer.send().await.unwrap(),
        StatusCode::FORBIDDEN,
        "forbidden",
    )
    .await;
}

#[tokio::test]
async fn a_refusal_comes_before_the_body() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::set().await;
    let mut stream = tokio::net::TcpStream::connect(stage.server.address)
        .await
        .unwrap();
    // The body is announced and never sent.
    let head = format!(
        "PUT /api/v1/centre HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
        stage.supervisor
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    let read = stream.read_exact(&mut answer);
    tokio::time::timeout(api_support::PATIENCE, read)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, b"HTTP/1.1 403");
}

#[tokio::test]
async fn a_trace_shows_secrets_to_administrators_only() {
    let stage = Stage::set().await;
    let path = "/api/v1/trace?secrets=true";
    let answer = stage.server.get_as(&stage.supervisor, path).await;
    let refused = problem(answer, StatusCode::FORBIDDEN, "forbidden").await;
    assert_eq!(refused["permission"], "trace:secrets");
    assert_eq!(stage.server.get(path).await.status(), StatusCode::OK);
}
