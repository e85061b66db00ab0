//! A program asks for an agent and makes the call itself: the agent is nobody else's meanwhile, in the
//! same queues and after a crash of control too.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use support::api::Answer;
use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have, until};

/// An outside program that asks this centre.
struct Asker<'a>(&'a Centre);

impl Asker<'_> {
    fn ask(&self, medium: &str, wait_seconds: u32) -> Value {
        let wish = json!({
            "medium": medium,
            "from": "sip:dora@example.net",
            "to": "sip:support@centre.example",
            "headers": {"X-Trunk": "7"},
            "wait_seconds": wait_seconds,
        });
        let answer = self.0.api.request("POST", "/api/v1/route", Some(&wish));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    fn stands(&self, routed: &Value, query: &str) -> Value {
        let path = format!("/api/v1/route/{}{query}", word(routed, "contact"));
        self.0.api.get(&path)
    }

    fn try_report(&self, routed: &Value, result: &str) -> Answer {
        let path = format!("/api/v1/route/{}", word(routed, "contact"));
        let report = json!({"offer": routed["offer"], "result": result});
        self.0.api.request("POST", &path, Some(&report))
    }

    fn report(&self, routed: &Value, result: &str) -> Value {
        let answer = self.try_report(routed, result);
        assert_eq!(answer.status, 200, "{result}: {}", answer.text);
        answer.json()
    }
}

fn word(value: &Value, name: &str) -> String {
    let text = value[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

/// Where the answer says that the agent is called.
fn called_at(routed: &Value) -> SocketAddr {
    let uri = word(routed, "uri");
    let address = uri.split('@').nth(1).expect("a URI with a host");
    address.parse().expect("an address and port")
}

// D13 A7
#[test]
fn an_agent_in_a_call_that_a_program_made_is_nobody_elses() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let anna_at = centre.declare_anna();
    let anna = Sipp::agent("agent.xml", anna_at, &centre).calls(2).start();
    let asker = Asker(&centre);
    let offered = asker.ask("call", 0);
    assert_eq!(offered["state"], "offered", "{offered}");
    assert_eq!(offered["agent"], "anna");
    assert_eq!(offered["choice"]["chosen"], "anna");
    assert_eq!(called_at(&offered), anna_at);

    // The program's own caller goes to the phone, and no relay has to do with it.
    let dora = Sipp::caller("caller.xml", CALLER, &centre)
        .named("dora")
        .through(called_at(&offered))
        .hold(Duration::from_secs(3))
        .start();
    dora.answered();
    assert_eq!(asker.report(&offered, "ringing")["ringing"], true);
    for _ in 0..2 {
        assert_eq!(asker.report(&offered, "answered")["state"], "connected");
    }
    assert_eq!(centre.agent("anna")["activity"], "in_call");
    let carla = Sipp::caller("caller_queued.xml", CALLER, &centre)
        .named("carla")
        .start();
    carla.receives("182", SOON, |sip| sip.status() == Some(182));
    assert!(centre.relay_sessions().is_empty(), "nobody was transferred");
    dora.succeeds(CALL);
    assert_eq!(
        centre.agent("anna")["activity"],
        "in_call",
        "nobody said so yet"
    );
    assert_eq!(asker.report(&offered, "ended")["state"], "ended");
    carla.succeeds(CALL);
    anna.succeeds(SOON);
    centre.wait_empty();
    assert_eq!(asker.stands(&offered, "")["cause"], "reported");
    let told = centre
        .api
        .get(&format!("/api/v1/contacts/{}", word(&offered, "contact")));
    assert_eq!(told["summary"]["outcome"], "served", "{told}");
}

// D13 A4
#[test]
fn a_program_waits_in_the_queue_like_a_caller_and_is_told_when_it_is_its_turn() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.declare_anna();
    let anna = Sipp::agent("agent.xml", at, &centre).calls(2).start();
    let first = Sipp::caller("caller.xml", CALLER, &centre)
        .named("carla")
        .hold(Duration::from_secs(2))
        .start();
    first.answered();
    let asker = Asker(&centre);
    let queued = asker.ask("chat", 0);
    assert_eq!(
        (&queued["state"], &queued["position"]),
        (&json!("queued"), &json!(1))
    );
    let behind = Sipp::caller("caller_queued.xml", CALLER, &centre)
        .named("conny")
        .start();
    behind.receives("182", SOON, |sip| sip.status() == Some(182));
    let query = format!("?after={}&wait_seconds=4", queued["revision"]);
    let offered = until("the program is told of anna", SOON, || {
        let stands = asker.stands(&queued, &query);
        (stands["state"] == "offered").then_some(stands)
    });
    first.succeeds(CALL);
    assert_eq!(offered["agent"], "anna", "it came before conny");

    // The chat server cannot reach her after all: conny's turn.
    let failed = asker.report(&offered, "failed");
    assert_eq!(failed["state"], "queued", "{failed}");
    behind.succeeds(CALL);
    anna.succeeds(SOON);
    let late = asker.try_report(&offered, "answered");
    assert_eq!(late.status, 409, "{}", late.text);
    assert_eq!(asker.report(&queued, "abandoned")["state"], "abandoned");
    assert_eq!(asker.report(&queued, "abandoned")["state"], "abandoned");
    centre.wait_empty();
}

// D13 G1
#[test]
fn what_a_program_has_connected_outlives_a_crash_of_control() {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = Setup::default().apart().start();
    let at = centre.agent_address();
    let anna = Declaration::new().at("anna", at);
    centre.apply(&anna.queue("when_no_agents", "\"wait\""));
    let offered = Asker(&centre).ask("call", 0);
    Asker(&centre).report(&offered, "answered");

    centre.control_process.kill();
    centre.restart_control();
    assert_eq!(centre.agent("anna")["activity"], "in_call");
    let phone = Sipp::agent("agent.xml", at, &centre).start();
    let carla = Sipp::caller("caller_queued.xml", CALLER, &centre).start();
    carla.receives("182", SOON, |sip| sip.status() == Some(182));
    let asker = Asker(&centre);
    assert_eq!(asker.stands(&offered, "")["state"], "connected");
    assert_eq!(asker.report(&offered, "ended")["state"], "ended");
    carla.succeeds(CALL);
    phone.succeeds(SOON);

    centre.control_process.kill();
    centre.restart_control();
    centre.wait_available("anna");
}

// D13 A4
#[test]
fn a_callers_proxy_is_told_where_the_agent_is_who_is_busy_until_that_is_reported() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.agent_address();
    let redirects = Declaration::new().queue("hand_over", "\"redirect\"");
    centre.apply(&redirects.at("anna", at));
    let redirected = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "302")
        .start();
    let seen = redirected.succeeds(CALL);
    let moved = support::sipp::received(&seen).find(|sip| sip.status() == Some(302));
    let contact = moved.and_then(|sip| sip.header("Contact"));
    assert_eq!(contact, Some(format!("<sip:anna@{at}>").as_str()));

    // What its proxy then does.
    let anna = Sipp::agent("agent.xml", at, &centre).start();
    let follows = Sipp::caller("caller.xml", CALLER, &centre)
        .calls_for("anna")
        .through(at)
        .start();
    follows.succeeds(CALL);
    anna.succeeds(SOON);
    assert!(centre.relay_sessions().is_empty());
    centre.wait_in_call("anna");
    let live = centre.contacts();
    assert_eq!(
        (&live[0]["state"], &live[0]["carried"]),
        (&json!("connected"), &json!("redirect"))
    );

    let routed = json!({"contact": live[0]["id"], "offer": live[0]["offer"]});
    let asker = Asker(&centre);
    assert_eq!(asker.report(&routed, "ended")["state"], "ended");
    centre.wait_available("anna");
}

// A4 A7 D13
#[test]
fn an_agent_has_a_call_beside_chats_and_no_further_chat_beside_the_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.agent_address();
    let keys = format!("uri = \"sip:anna@{at}\"\ncapacities = {{ chat = 2 }}");
    centre.apply(&Declaration::new().agent("anna", &keys));
    let anna = Sipp::agent("agent.xml", at, &centre).start();
    let asker = Asker(&centre);
    let chats = [0, 1].map(|_| {
        let offered = asker.ask("chat", 0);
        assert_eq!(offered["state"], "offered", "{offered}");
        asker.report(&offered, "answered");
        offered
    });
    let third = asker.ask("chat", 0);
    assert_eq!(third["state"], "queued", "{third}");
    let carla = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_secs(3))
        .start();
    carla.answered();
    assert_eq!(centre.agent("anna")["calls"], 3);
    asker.report(&chats[0], "ended");
    assert_eq!(
        asker.stands(&third, "")["state"],
        "queued",
        "anna is in a call"
    );
    carla.succeeds(CALL);
    anna.succeeds(SOON);
    until("the third chat has anna", SOON, || {
        (asker.stands(&third, "")["state"] == "offered").then_some(())
    });
}
