//! Agents that are programs: their servers are asked whether they take a contact, by the same selection as
//! for everybody, and told what becomes of it.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use support::answerer::{Answerer, Manner, Question};
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have, until};

const SECRET: &str = "a secret of the test's own";

fn bot(server: &Answerer, keys: &str) -> String {
    format!(
        "webhook = {{ url = \"http://{}/bot\", secret = \"{SECRET}\", time_limit_ms = 500 }}\n{keys}",
        server.address
    )
}

/// The bot comes first, then anna.
fn declare(centre: &Centre, server: &Answerer, anna: SocketAddr) {
    let declaration = Declaration::new()
        .queue("strategy", "\"top_down\"")
        .agent("bot", &bot(server, "tiers = { support = 1 }"))
        .agent(
            "anna",
            &format!("uri = \"sip:anna@{anna}\"\ntiers = {{ support = 2 }}"),
        );
    centre.apply(&declaration);
}

fn says(reply: &Value) -> Manner {
    Manner::To("\"event\":\"offer\"", reply.to_string())
}

/// What was told of that kind, once it was.
fn told(server: &Answerer, event: &str) -> Value {
    until(&format!("{event} is told"), SOON, || {
        let asked = server.asked();
        let mut bodies = asked.iter().map(Question::json);
        bodies.find(|body| body["event"] == event)
    })
}

fn signed(question: &Question, secret: &str) -> bool {
    let (id, time) = (
        question.header("webhook-id"),
        question.header("webhook-timestamp"),
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&question.body);
    let expected = data_encoding::BASE64.encode(&mac.finalize().into_bytes());
    question.header("webhook-signature") == format!("v1,{expected}")
}

fn chat(centre: &Centre) -> Value {
    let wish = json!({"medium": "chat", "from": "sip:dora@example.net", "to": "sip:support@centre.example"});
    let answer = centre.api.request("POST", "/api/v1/route", Some(&wish));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn stands(centre: &Centre, routed: &Value) -> Value {
    let id = routed["contact"].as_str().expect("a contact");
    centre.api.get(&format!("/api/v1/route/{id}"))
}

// D6 A4
#[test]
fn a_program_takes_a_call_at_the_address_that_it_names() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let (anna, voice) = (centre.agent_address(), centre.agent_address());
    let server = Answerer::start(says(
        &json!({"result": "accepted", "uri": format!("sip:voice@{voice}")}),
    ));
    declare(&centre, &server, anna);
    let phone = Sipp::agent("agent.xml", voice, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_millis(500))
        .start();
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    let offer = told(&server, "offer");
    assert_eq!(
        (&offer["agent"], &offer["medium"]),
        (&json!("bot"), &json!("call"))
    );
    assert!(
        offer["from"]
            .as_str()
            .expect("a URI")
            .starts_with("sip:carla@")
    );
    let ended = told(&server, "ended");
    assert_eq!(
        (&ended["offer"], &ended["cause"]),
        (&offer["offer"], &json!("bye"))
    );
    for question in server.asked() {
        assert!(signed(&question, SECRET) && !signed(&question, "another secret of ours"));
    }
    centre.wait_empty();
    let shown = centre.api.get("/api/v1/agents/bot").to_string();
    assert!(!shown.contains(SECRET), "{shown}");
}

// D6 A4
#[test]
fn what_a_program_does_not_take_goes_to_the_next_agent() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let anna = centre.agent_address();
    let server = Answerer::start(says(&json!({"result": "declined"})));
    declare(&centre, &server, anna);
    let phone = Sipp::agent("agent.xml", anna, &centre).calls(5).start();
    for (number, manner) in [
        says(&json!({"result": "declined"})),
        says(&json!({"result": "accepted"})),
        says(&json!({"nonsense": true})),
        Manner::Status(503, "Retry-After: 1"),
        Manner::Silent,
    ]
    .into_iter()
    .enumerate()
    {
        until("the program is offered contacts", SOON, || {
            (centre.agent("bot")["activity"] == "idle").then_some(())
        });
        server.now(manner);
        let before = server.asked().len();
        let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
        caller.succeeds(CALL);
        centre.wait_empty();
        assert!(
            server.asked().len() > before,
            "the program was asked, {number}"
        );
        centre.wait_available("anna");
    }
    phone.succeeds(SOON);
    let page = centre.api.request("GET", "/metrics", None).text;
    for why in ["malformed", "status", "time_limit"] {
        let line = format!("patchbay_program_offers_failed_total{{why=\"{why}\"}} 1");
        assert!(page.contains(&line), "{line} in {page}");
    }
}

// D6
#[test]
fn a_program_is_told_when_its_caller_is_gone_before_it_has_answered() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let server = Answerer::start(Manner::Silent);
    let slow = bot(&server, "").replace("500", "20000");
    centre.apply(&Declaration::new().agent("bot", &slow));
    let caller = Sipp::caller("caller_cancels_early.xml", CALLER, &centre).start();
    told(&server, "offer");
    server.now(Manner::Says(String::new()));
    caller.succeeds(CALL);
    let cancelled = told(&server, "cancelled");
    assert_eq!(cancelled["why"], "caller_gone");
    centre.wait_empty();
    centre.wait_available("bot");
}

// D6 A7
#[test]
fn a_program_serves_a_chat_that_somebody_else_carries() {
    let centre = Centre::start();
    let server = Answerer::start(says(
        &json!({"result": "accepted", "uri": "https://chat.example/room/7"}),
    ));
    centre.apply(&Declaration::new().agent("bot", &bot(&server, "capacities = { chat = 1 }")));
    let first = chat(&centre);
    let connected = until("the program has it", SOON, || {
        let stands = stands(&centre, &first);
        (stands["state"] == "connected").then_some(stands)
    });
    assert_eq!(
        (&connected["agent"], &connected["uri"]),
        (&json!("bot"), &json!("https://chat.example/room/7"))
    );
    assert_eq!(told(&server, "offer")["carried"], "outside");
    let second = chat(&centre);
    assert_eq!(second["state"], "queued", "it takes one at a time");
    let path = format!(
        "/api/v1/route/{}",
        first["contact"].as_str().expect("an id")
    );
    let over = json!({"offer": connected["offer"], "result": "ended"});
    assert_eq!(centre.api.request("POST", &path, Some(&over)).status, 200);
    assert_eq!(told(&server, "ended")["cause"], "reported");
    until("the next one", SOON, || {
        (stands(&centre, &second)["state"] == "connected").then_some(())
    });
}

// D6 E5
#[test]
fn a_dialler_takes_call_backs_and_reports_of_the_customer() {
    let centre = Centre::start();
    let server = Answerer::start(says(&json!({"result": "accepted"})));
    let dialler = Declaration::new()
        .queue("call_back", "{}")
        .agent("dialler", &bot(&server, ""));
    centre.apply(&dialler);
    let wish = json!({"call": "tel:+4930123456", "to": "sip:support@centre.example"});
    let promised = centre.api.request("POST", "/api/v1/callbacks", Some(&wish));
    assert_eq!(promised.status, 201, "{}", promised.text);
    let promised = promised.json();
    let offer = told(&server, "offer");
    assert_eq!(
        (&offer["medium"], &offer["call"]),
        (&json!("call_back"), &json!("tel:+4930123456"))
    );
    let calling = until("the customer is called", SOON, || {
        let stands = stands(&centre, &promised);
        (stands["ringing"] == true).then_some(stands)
    });
    let path = format!(
        "/api/v1/route/{}",
        promised["contact"].as_str().expect("an id")
    );
    for (result, state) in [("answered", "connected"), ("ended", "ended")] {
        let report = json!({"offer": calling["offer"], "result": result});
        let answer = centre.api.request("POST", &path, Some(&report));
        assert_eq!(answer.json()["state"], state, "{}", answer.text);
    }
    assert_eq!(told(&server, "ended")["cause"], "reported");
}
