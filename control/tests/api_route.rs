//! Agents for contacts that others carry (D13, D12, F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::{Server, problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const CHAT: &str = r#"
[[queue]]
id = "chats"
ring_seconds = 4

[[agent]]
id = "bert"
uri = "sip:bert@127.0.0.1:5099"
capacities = { chat = 1 }

[[rule]]
id = "robots"
when = { from = "sip:robot@*" }
then = { refuse = 403 }

[[rule]]
id = "gold"
when = { medium = "message", expression = "customer.tier == 'gold' && 'chat' in entitlements" }
then = { queue = "chats", call_type = "gold chat" }

[[rule]]
id = "others"
then = { refuse = 404 }
"#;

async fn server() -> Server {
    let server = Server::start().await;
    let answer = server.put_toml("/api/v1/centre", CHAT).await;
    assert_eq!(answer.status(), StatusCode::OK);
    server
}

fn chat() -> Value {
    json!({
        "medium": "chat", "from": "dora@example.net", "to": "help",
        "customer": {"tier": "gold"}, "entitlements": ["chat"],
    })
}

async fn asked(server: &Server, wish: &Value) -> Value {
    let answer = server.send(Method::POST, "/api/v1/route", wish).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn told(server: &Server, routed: &Value, report: Value) -> reqwest::Response {
    let path = format!("/api/v1/route/{}", routed["contact"].as_str().unwrap());
    server.send(Method::POST, &path, &report).await
}

async fn stands(server: &Server, routed: &Value, query: &str) -> Value {
    let path = format!(
        "/api/v1/route/{}{query}",
        routed["contact"].as_str().unwrap()
    );
    server.json(&path).await
}

#[tokio::test]
async fn rules_see_what_is_given_and_decide() {
    let server = server().await;
    let offered = asked(&server, &chat()).await;
    assert_eq!(offered["state"], "offered");
    assert_eq!(offered["uri"], "sip:bert@127.0.0.1:5099");
    assert_eq!(offered["ring_seconds"], 4);
    let live = server.json("/api/v1/contacts?state=live").await;
    let live = &live["live"][0];
    assert_eq!(
        (&live["call_type"], &live["medium"]),
        (&json!("gold chat"), &json!("chat"))
    );
    assert_eq!(live["carried"], "outside");
    let mut poor = chat();
    poor["customer"]["tier"] = json!("tin");
    let refused = asked(&server, &poor).await;
    assert_eq!(
        (&refused["state"], &refused["why"]),
        (&json!("refused"), &json!("by_rule"))
    );
    let mut robot = chat();
    robot["from"] = json!("sip:robot@example.net");
    let refused = asked(&server, &robot).await;
    assert_eq!(
        (&refused["state"], &refused["status"]),
        (&json!("refused"), &json!(403))
    );
}

#[tokio::test]
async fn one_who_waits_for_a_change_is_told_of_it_and_not_before() {
    let server = server().await;
    let first = asked(&server, &chat()).await;
    // The ring timer takes Bert from the first, who is silent; he then rests, and the second has him.
    let mut second = chat();
    second["wait_seconds"] = json!(15);
    let second = asked(&server, &second).await;
    assert_eq!(
        (&second["state"], &second["agent"]),
        (&json!("offered"), &json!("bert"))
    );
    let now = stands(&server, &first, "").await;
    assert_eq!(now["state"], "queued");
    assert!(now["revision"].as_u64() > first["revision"].as_u64());
    let seen = second["revision"].as_u64().unwrap();
    let ringing = told(
        &server,
        &second,
        json!({"result": "ringing", "offer": second["offer"]}),
    );
    let query = format!("?after={seen}&wait_seconds=15");
    let (changed, rung) = tokio::join!(stands(&server, &second, &query), ringing);
    assert_eq!(rung.status(), StatusCode::OK);
    assert!(changed["revision"].as_u64().unwrap() > seen, "{changed}");
    let late = json!({"result": "answered", "offer": first["offer"]});
    let late = told(&server, &first, late).await;
    problem(late, StatusCode::CONFLICT, "conflict").await;
}

#[tokio::test]
async fn reports_are_taken_once_and_faults_are_named() {
    let server = server().await;
    let offered = asked(&server, &chat()).await;
    let offer = &offered["offer"];
    let answered = json!({"result": "answered", "offer": offer});
    for _ in 0..2 {
        let answer = told(&server, &offered, answered.clone()).await;
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["state"], "connected");
    }
    let abandoned = told(&server, &offered, json!({"result": "abandoned"})).await;
    problem(abandoned, StatusCode::CONFLICT, "conflict").await;
    let foreign = json!({"result": "ended", "offer": "00000000000000aa"});
    let foreign = told(&server, &offered, foreign).await;
    problem(foreign, StatusCode::CONFLICT, "conflict").await;
    for _ in 0..2 {
        let over = told(
            &server,
            &offered,
            json!({"result": "ended", "offer": offer}),
        )
        .await;
        let over: Value = over.json().await.unwrap();
        assert_eq!(
            (&over["state"], &over["cause"]),
            (&json!("ended"), &json!("reported"))
        );
    }
    for (wrong, fault) in [
        (json!({"medium": "fax", "from": "a", "to": "b"}), "fax"),
        (json!({"medium": "call", "to": "b"}), "from"),
    ] {
        let answer = server.send(Method::POST, "/api/v1/route", &wrong).await;
        let problem = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains(fault), "{message}");
    }
    let wrong = json!({"medium": "call", "from": "", "to": "b\n", "wait_seconds": 61});
    let answer = server.send(Method::POST, "/api/v1/route", &wrong).await;
    let problem = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
    let paths: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["path"])
        .collect();
    assert_eq!(paths, ["from", "to", "wait_seconds"]);
}

#[tokio::test]
async fn one_that_is_given_up_while_it_is_offered_stays_given_up() {
    let server = server().await;
    let offered = asked(&server, &chat()).await;
    for _ in 0..2 {
        let abandoned = told(&server, &offered, json!({"result": "abandoned"})).await;
        let abandoned: Value = abandoned.json().await.unwrap();
        assert_eq!(abandoned["state"], "abandoned", "{abandoned}");
    }
    assert_eq!(asked(&server, &chat()).await["state"], "offered");
}

#[tokio::test]
async fn an_operator_ends_it_and_the_asker_learns_of_it() {
    let server = server().await;
    let offered = asked(&server, &chat()).await;
    let answered = json!({"result": "answered", "offer": offered["offer"]});
    assert_eq!(
        told(&server, &offered, answered).await.status(),
        StatusCode::OK
    );
    let path = format!("/api/v1/contacts/{}", offered["contact"].as_str().unwrap());
    let answer = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let over = stands(&server, &offered, "").await;
    assert_eq!(
        (&over["state"], &over["cause"]),
        (&json!("ended"), &json!("api"))
    );
}

#[tokio::test]
async fn a_request_with_a_key_is_one_contact_and_none_is_in_the_audit_log() {
    let server = server().await;
    let send = || {
        let request = server.request(Method::POST, "/api/v1/route").json(&chat());
        request.header("Idempotency-Key", "\"one\"").send()
    };
    let first: Value = send().await.unwrap().json().await.unwrap();
    let again: Value = send().await.unwrap().json().await.unwrap();
    assert_eq!(first["contact"], again["contact"]);
    let audit = server.json("/api/v1/audit").await;
    let entries = audit["entries"].as_array().unwrap();
    assert!(
        entries.iter().all(|entry| entry["path"] != "/api/v1/route"),
        "{audit}"
    );
}

/// A token that was given to another centre for a queue.
async fn for_lyon(server: &Server) -> (String, String) {
    let wish = json!({
        "name": "lyon", "role": "integration", "scopes": ["contacts:route"], "queues": ["chats"],
    });
    server.token(wish).await
}

fn from_lyon() -> Value {
    json!({
        "medium": "chat", "from": "sip:robot@example.net", "to": "help",
        "queue": "chats", "site": "lyon", "waited_seconds": 40,
    })
}

// D12
#[tokio::test]
async fn another_centre_names_a_queue_of_its_token_and_no_rule_is_asked() {
    let server = server().await;
    let (id, token) = for_lyon(&server).await;
    let view = server.json(&format!("/api/v1/tokens/{id}")).await;
    assert_eq!(view["queues"], json!(["chats"]));
    let send = |wish: Value| {
        let request = server.request_as(&token, Method::POST, "/api/v1/route");
        request.json(&wish).send()
    };
    let offered: Value = send(from_lyon()).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&offered["state"], &offered["agent"], &offered["queue"]),
        (&json!("offered"), &json!("bert"), &json!("chats"))
    );
    let live = server.json("/api/v1/contacts?state=live").await;
    assert_eq!(live["live"][0]["call_type"], "lyon");
    let path = format!("/api/v1/route/{}", offered["contact"].as_str().unwrap());
    let waits = server.get_as(&token, &path).await;
    assert_eq!(waits.status(), StatusCode::OK);
    let answered = json!({"result": "answered", "offer": offered["offer"]});
    let report = server.request_as(&token, Method::POST, &path);
    let stands = report.json(&answered).send().await.unwrap();
    let stands: Value = stands.json().await.unwrap();
    assert_eq!(stands["state"], "connected");
    // Another centre with the same queue knows the name and gets nothing by it.
    let (_, paris) = for_lyon(&server).await;
    let strange = server.get_as(&paris, &path).await;
    problem(strange, StatusCode::NOT_FOUND, "not-found").await;
    let ended = json!({"result": "ended", "offer": offered["offer"]});
    for (token, status) in [(&paris, 404), (&token, 200)] {
        let report = server.request_as(token, Method::POST, &path);
        let answer = report.json(&ended).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
}

// D12
#[tokio::test]
async fn a_token_gets_agents_of_its_queues_alone() {
    let server = Server::start().await;
    let declared = format!("{CHAT}\n[[queue]]\nid = \"others\"\n");
    let answer = server.put_toml("/api/v1/centre", &declared).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let (_, lyon) = for_lyon(&server).await;
    let program = json!({"name": "chats", "role": "integration", "scopes": ["contacts:route"]});
    let (_, program) = server.token(program).await;
    let mut foreign = from_lyon();
    foreign["queue"] = json!("others");
    for (token, wish, says) in [
        (&lyon, &foreign, "name one of its queues in `queue`: chats"),
        (&lyon, &chat(), "name one of its queues in `queue`: chats"),
        (&program, &from_lyon(), "bound to no queue"),
    ] {
        let request = server.request_as(token, Method::POST, "/api/v1/route");
        let answer = request.json(wish).send().await.unwrap();
        let refused = problem(answer, StatusCode::FORBIDDEN, "forbidden").await;
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{detail}");
    }
    let promises = server.get_as(&lyon, "/api/v1/callbacks").await;
    problem(promises, StatusCode::FORBIDDEN, "forbidden").await;
    let contacts = server.json("/api/v1/contacts?state=live").await;
    assert_eq!(contacts["live"], json!([]), "nothing of it arrived");
    let by_admin = asked(&server, &foreign).await;
    assert_eq!(by_admin["queue"], "others", "an administrator may name any");
}

// D12
#[tokio::test]
async fn what_goes_with_a_queue_is_checked() {
    let server = server().await;
    let mut wrong = from_lyon();
    wrong["queue"] = json!("sales");
    wrong["skills"] = json!({"french": 101});
    wrong["priority"] = json!(1_001);
    let mut late = from_lyon();
    late["waited_seconds"] = json!(86_401);
    late["site"] = json!("two words");
    late["agent"] = json!("bert");
    let mut ruled = chat();
    for (field, value) in [
        ("skills", json!({"french": 1})),
        ("priority", json!(1)),
        ("waited_seconds", json!(1)),
        ("site", json!("lyon")),
    ] {
        ruled[field] = value;
    }
    for (wish, paths) in [
        (wrong, vec!["queue", "skills.french", "priority"]),
        (late, vec!["waited_seconds", "site", "agent"]),
        (ruled, vec!["skills", "priority", "waited_seconds", "site"]),
    ] {
        let answer = server.send(Method::POST, "/api/v1/route", &wish).await;
        let refused = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid").await;
        let faults = refused["errors"].as_array().unwrap().iter();
        let found: Vec<&str> = faults.map(|one| one["path"].as_str().unwrap()).collect();
        assert_eq!(found, paths, "{wish}");
    }
}
