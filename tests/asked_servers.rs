//! A server outside is asked what each call is: it decides, it tells what rules go by, it fails in
//! every way, and the caller gives up meanwhile.

use crate::support;

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use patchbay_tls::Files;
use serde_json::{Value, json};
use sha2::Sha256;
use support::answerer::{Answerer, Manner, Question};
use support::certificates::Authority;
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have, until};

const SECRET: &str = "a secret of the test's own";

/// Anna speaks French, Ben German, and the rules send gold customers to Ben. What no rule knows is
/// refused, so that a call that was left to the rules shows.
fn declare(centre: &Centre, url: &str, keys: &str) -> (std::net::SocketAddr, std::net::SocketAddr) {
    let (anna, ben) = (centre.agent_address(), centre.agent_address());
    let rules = format!(
        r#"
[[ask]]
id = "crm"
url = "{url}"
secret = "{SECRET}"
when = 'to.user == "support"'
{keys}

[[rule]]
id = "gold"
when = {{ expression = 'customer.tier == "gold" && "priority_support" in entitlements' }}
then = {{ queue = "support", skills = {{ german = 2 }}, priority = 9 }}

[[rule]]
id = "plain"
when = {{ to = "support@*" }}
then = {{ refuse = 486 }}
"#
    );
    centre.apply(
        &Declaration::new()
            .rules(&rules)
            .agent(
                "anna",
                &format!("uri = \"sip:anna@{anna}\"\nskills = {{ french = 3 }}"),
            )
            .agent(
                "ben",
                &format!("uri = \"sip:ben@{ben}\"\nskills = {{ german = 3 }}"),
            ),
    );
    (anna, ben)
}

fn plain(server: &Answerer) -> String {
    format!("http://{}/route?of=test", server.address)
}

fn says(answer: Value) -> Manner {
    Manner::Says(answer.to_string())
}

/// The events of the newest contact that has ended.
fn story(centre: &Centre, number: usize) -> Vec<Value> {
    let id = until("the contact is past", SOON, || {
        let past = centre.api.get("/api/v1/contacts")["past"].clone();
        let past = past.as_array().expect("a list").clone();
        let newest = (past.len() == number).then(|| past[0]["id"].clone())?;
        newest.as_str().map(str::to_owned)
    });
    let story = centre.api.get(&format!("/api/v1/contacts/{id}"));
    story["events"].as_array().expect("events").clone()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let found = events.iter().find(|event| event["type"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {events:?}"))
}

/// The signature is right for id, time and body, by our own reckoning.
fn check_signature(question: &Question) {
    let (id, time) = (
        question.header("webhook-id"),
        question.header("webhook-timestamp"),
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now
        .expect("a time")
        .as_secs()
        .abs_diff(time.parse().expect("seconds"));
    assert!(age < 300, "signed {age} s ago");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&question.body);
    let expected = data_encoding::BASE64.encode(&mac.finalize().into_bytes());
    assert_eq!(
        question.header("webhook-signature"),
        format!("v1,{expected}")
    );
    assert_eq!(question.json()["contact"], id);
}

// D13 A3
#[test]
fn a_server_decides_who_gets_the_call_and_the_timeline_says_so() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let server = Answerer::start(says(json!({"decision": {
        "queue": "support", "skills": {"german": 1}, "call_type": "order", "attributes": {"order": "17"}}})));
    let (_, ben) = declare(&centre, &plain(&server), "");
    let agent = Sipp::agent("agent.xml", ben, &centre).calls(2).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .word("header", "X-Order: 17")
        .start();
    caller.answered();
    let contact = &centre.contacts()[0];
    assert_eq!(contact["agent"], "ben");
    assert_eq!(
        (&contact["rule"], &contact["call_type"]),
        (&json!("crm"), &json!("order"))
    );
    assert_eq!(contact["attributes"]["order"], "17");
    caller.succeeds(CALL);

    let question = &server.asked()[0];
    assert_eq!(question.header(":request"), "POST /route?of=test HTTP/1.1");
    check_signature(question);
    let told = question.json();
    assert_eq!(told["headers"]["x-order"], json!(["17"]));
    assert!(
        told["from"]
            .as_str()
            .expect("a URI")
            .starts_with("sip:carla@127.0.0.2")
    );
    assert!(
        told["to"]
            .as_str()
            .expect("a URI")
            .starts_with("sip:support@")
    );
    assert_eq!(told["media"][0]["kind"], "audio");
    assert!(
        told["source"]
            .as_str()
            .expect("an address")
            .starts_with("127.0.0.2:")
    );

    let events = story(&centre, 1);
    assert_eq!(of_kind(&events, "contact_asking")["ask"], "crm");
    let asked = of_kind(&events, "contact_asked");
    assert_eq!(asked["decision"], "queue support, german 1");
    let because = of_kind(&events, "contact_typed")["because"].clone();
    assert_eq!(because, json!(["asked crm: queue support, german 1"]));

    // What it knows of the customer decides by the rules, over the same connection as before.
    server.now(says(json!({
        "customer": {"tier": "gold", "since": 2019}, "entitlements": ["priority_support"]})));
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    let events = story(&centre, 2);
    let typed = of_kind(&events, "contact_typed");
    assert_eq!(
        (&typed["rule"], &typed["priority"]),
        (&json!("gold"), &json!(9))
    );
    let because = typed["because"].to_string();
    assert!(because.contains("customer.tier"), "{because}");
    assert_eq!(server.connections(), 1, "the connection was kept");
    assert_eq!(centre.api.metric("patchbay_asks_failed_total"), 0.0);
}

// D13
#[test]
fn each_failure_leaves_the_call_to_the_rules_and_is_told_with_its_reason() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let server = Answerer::start(Manner::Silent);
    declare(&centre, &plain(&server), "time_limit_ms = 400");
    let call = |status: &str| {
        let caller = Sipp::caller("caller_refused.xml", CALLER, &centre);
        caller.word("status", status).start().succeeds(CALL);
    };
    let long = "x".repeat(100_000);
    let redirect = Manner::Status(307, "Location: http://127.0.0.1:1/elsewhere");
    let manners = [
        (
            says(json!({"decision": {"queue": "sales"}})),
            "invalid",
            "no queue `sales`",
        ),
        (Manner::Silent, "time_limit", "400 ms"),
        (redirect, "status", "307"),
        (Manner::Breaks, "unreachable", ""),
        (
            Manner::Says("{\"customer\": ".into()),
            "malformed",
            "line 1",
        ),
        (
            Manner::Says(format!("{{\"customer\": {{\"a\": \"{long}\"}}}}")),
            "too_large",
            "65536",
        ),
        // Five in a row: the server is left alone, whatever it would say.
        (says(json!({"decision": {"refuse": 603}})), "paused", ""),
    ];
    for (number, (manner, reason, words)) in manners.into_iter().enumerate() {
        server.now(manner);
        call("486");
        let events = story(&centre, number + 1);
        let asked = of_kind(&events, "contact_asked");
        assert_eq!(asked["failure"], reason);
        let detail = asked["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{reason}: {detail}");
        assert_eq!(of_kind(&events, "contact_refused")["why"], "by_rule");
    }
    assert_eq!(server.asked().len(), 6);
    let metric = |text: &str| {
        until(text, SOON, || {
            let page = centre.api.request("GET", "/metrics", None);
            page.text.contains(text).then_some(())
        });
    };
    metric("patchbay_asks_failed_total{server=\"crm\",reason=\"time_limit\"} 1");
    metric("patchbay_asks_failed_total{server=\"crm\",reason=\"paused\"} 1");
    metric("patchbay_asks_paused{server=\"crm\"} 1");

    // Another server with the same answer says no, and a third is not there at all.
    let other = Answerer::start(says(json!({"decision": {"refuse": 603}})));
    declare(&centre, &plain(&other), "");
    call("603");
    let events = story(&centre, 8);
    assert_eq!(of_kind(&events, "contact_refused")["why"], "by_server");
    drop(other);
    call("486");
    let events = story(&centre, 9);
    assert_eq!(of_kind(&events, "contact_asked")["failure"], "unreachable");
}

// D13
#[test]
fn when_the_server_fails_the_declared_queue_takes_the_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let server = Answerer::start(Manner::Status(500, "X: y"));
    let (anna, ben) = declare(&centre, &plain(&server), "on_failure = \"support\"");
    let gone = json!({"status": "logged_out"});
    let path = "/api/v1/agents/ben/status";
    assert_eq!(
        centre.api.request("POST", path, Some(&gone)).status,
        204,
        "{ben}"
    );
    let agent = Sipp::agent("agent.xml", anna, &centre).start();
    Sipp::caller("caller.xml", CALLER, &centre)
        .start()
        .succeeds(CALL);
    agent.succeeds(SOON);
    let events = story(&centre, 1);
    let because = of_kind(&events, "contact_typed")["because"].to_string();
    assert!(because.contains("crm answered with a failure"), "{because}");
}

// D13 B6
#[test]
fn a_caller_who_hangs_up_while_the_server_thinks_is_abandoned_once() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let server = Answerer::start(Manner::Silent);
    declare(&centre, &plain(&server), "time_limit_ms = 5000");
    let caller = Sipp::caller("caller_cancels_early.xml", CALLER, &centre)
        .hold(Duration::from_secs(1))
        .start();
    until("the server is being asked", SOON, || {
        let contacts = centre.contacts();
        (contacts.len() == 1 && contacts[0]["state"] == "asking").then_some(())
    });
    // Others are not held up by it.
    let other = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .calls_for("others")
        .word("status", "404");
    other.start().succeeds(SOON);
    caller.succeeds(CALL);
    let past = until("both contacts are past", SOON, || {
        let past = centre.api.get("/api/v1/contacts")["past"].clone();
        (past.as_array().map(Vec::len) == Some(2)).then_some(past)
    });
    let outcomes = [&past[0]["outcome"], &past[1]["outcome"]];
    assert!(outcomes.contains(&&json!("abandoned")), "{past}");
    let counted = |what: &str| {
        let page = centre.api.request("GET", "/metrics", None).text;
        page.contains(&format!("patchbay_contacts_total{{what=\"{what}\"}} 1\n"))
    };
    until("it is counted once", SOON, || {
        counted("abandoned").then_some(())
    });
    assert!(centre.contacts().is_empty() && centre.relay_sessions().is_empty());
}

// D13
#[test]
fn a_server_must_prove_who_it_is() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let folder = &centre.folder;
    let [known, stranger] = ["known", "stranger"].map(|name| Authority::make(folder, name));
    let files = |name: &str| Files {
        certificate: folder.file(&format!("{name}.crt")),
        key: folder.file(&format!("{name}.key")),
        ca: None,
    };
    let shown = files("server");
    let loopback = "127.0.0.1".parse().expect("an address");
    known.issue(&[loopback], &shown.certificate, &shown.key);
    let server = Answerer::secured(says(json!({"decision": {"refuse": 603}})), shown);
    let url = format!("https://{}/", server.address);
    for (authority, status) in [(&known, "603"), (&stranger, "486")] {
        let keys = format!(
            "ca_file = \"{}\"\ntime_limit_ms = 5000",
            authority.file.display()
        );
        declare(&centre, &url, &keys);
        let caller = Sipp::caller("caller_refused.xml", CALLER, &centre);
        caller.word("status", status).start().succeeds(CALL);
    }
    let events = story(&centre, 2);
    assert_eq!(of_kind(&events, "contact_asked")["failure"], "certificate");
    assert_eq!(
        server.asked().len(),
        1,
        "nothing was told to the one that proved nothing"
    );
}
