//! Customers who want to be called: by a key while they wait, or by the API; their place is kept, one agent
//! is reserved for each, and no promise is lost.

use crate::support;
use crate::waiting_callers::{MUSIC_HZ, hears, invites, set_status, sounds, with, with_events};

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use support::api::Answer;
use support::party::Extra;
use support::sipp::received;
use support::{CALL, CALLER, Centre, Declaration, Media, SOON, Setup, Sipp, have, until};

fn declaration(anna: SocketAddr, waiting: &str) -> Declaration {
    Declaration::new()
        .at("anna", anna)
        .queue("when_no_agents", "\"wait\"")
        .queue("waiting", format!("{{ music = \"soft\", {waiting} }}"))
        .queue("call_back", "{ retry_seconds = 1, attempts = 2 }")
        .queue(
            "overflow",
            "[{ when = \"pressed\", key = \"1\", call_back = true }]",
        )
}

fn declare(centre: &Centre, anna: SocketAddr, waiting: &str) {
    centre.apply(&declaration(anna, waiting));
    set_status(centre, "paused");
}

fn ask(centre: &Centre, call: &str, at: Option<&str>) -> Answer {
    let mut wish = json!({"call": call, "to": "sip:support@centre.example"});
    if let Some(at) = at {
        wish["at"] = at.into();
    }
    centre.api.request("POST", "/api/v1/callbacks", Some(&wish))
}

fn promised(centre: &Centre, call: &str) -> Value {
    let answer = ask(centre, call, None);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn id(routed: &Value) -> &str {
    routed["contact"].as_str().expect("a contact")
}

fn stands(centre: &Centre, routed: &Value) -> Value {
    centre.api.get(&format!("/api/v1/callbacks/{}", id(routed)))
}

/// Waits until an agent is reserved for it.
fn offered(centre: &Centre, routed: &Value) -> Value {
    until("an agent is reserved", SOON, || {
        let stands = stands(centre, routed);
        (stands["state"] == "offered").then_some(stands)
    })
}

fn try_report(centre: &Centre, offered: &Value, result: &Value) -> Answer {
    let mut report = result.clone();
    report["offer"] = offered["offer"].clone();
    let path = format!("/api/v1/route/{}", id(offered));
    centre.api.request("POST", &path, Some(&report))
}

fn report(centre: &Centre, offered: &Value, result: &str) -> Value {
    let answer = try_report(centre, offered, &json!({ "result": result }));
    assert_eq!(answer.status, 200, "{result}: {}", answer.text);
    answer.json()
}

fn waiting(centre: &Centre) -> Vec<String> {
    let queue = centre.api.get("/api/v1/queues/support");
    let waiting = queue["waiting"].as_array().expect("a list").iter();
    let ids = waiting.map(|one| one["contact"].as_str().expect("a contact").to_owned());
    ids.collect()
}

// E5 D14
#[test]
fn a_caller_presses_a_key_and_keeps_the_place_without_the_line() {
    let folder = sounds();
    if !have(&["sipp"]) {
        return;
    }
    let centre = with(Setup::default(), &folder).start();
    let at = centre.agent_address();
    declare(&centre, at, "");
    let carla = Media::open(CALLER, &centre.ports);
    let first = with_events(Sipp::caller("caller_refused.xml", CALLER, &centre))
        .word("status", "480")
        .media(&carla)
        .start();
    let progress = first.receives("early media", SOON, |sip| sip.status() == Some(183));
    let line = progress.audio().expect("an answer with audio");
    hears(&carla, MUSIC_HZ);
    let dora = Media::open(CALLER, &centre.ports);
    let second = Sipp::caller("caller.xml", CALLER, &centre)
        .named("dora")
        .media(&dora)
        .hold(Duration::from_millis(500))
        .start();
    until("both wait", SOON, || {
        (centre.contacts().len() == 2).then_some(())
    });
    let before = waiting(&centre);

    carla.press(line, 1, 100);
    let seen = first.succeeds(CALL);
    assert_eq!(invites(&seen), 0);
    let refused = received(&seen).find(|sip| sip.status() == Some(480));
    let why = refused.and_then(|sip| sip.header("Warning")).unwrap_or("");
    assert!(why.contains("called back"), "{why}");
    let list = centre.api.list("/api/v1/callbacks");
    assert_eq!(list.len(), 1, "{list:?}");
    let promise = &list[0];
    assert_eq!(id(promise), before[0], "the same contact");
    let to = promise["call_back"]["to"].as_str().expect("an address");
    assert!(to.starts_with("sip:carla@"), "{to}");
    assert_eq!(waiting(&centre), before, "in the same place");

    let anna = Sipp::agent("agent.xml", at, &centre).start();
    set_status(&centre, "ready");
    let reserved = offered(&centre, promise);
    assert_eq!(reserved["agent"], "anna");
    assert_eq!(centre.agent("anna")["activity"], "reserved");
    assert_eq!(report(&centre, &reserved, "calling")["ringing"], true);
    assert_eq!(report(&centre, &reserved, "answered")["state"], "connected");
    assert_eq!(centre.api.list("/api/v1/callbacks"), [] as [Value; 0]);
    assert_eq!(report(&centre, &reserved, "ended")["state"], "ended");
    second.succeeds(CALL);
    anna.succeeds(SOON);
    centre.wait_empty();
    let story = centre
        .api
        .get(&format!("/api/v1/contacts/{}/timeline", id(promise)));
    let story = story.to_string();
    for told in ["presses 1", "will be called", "anna takes it", "answers"] {
        assert!(story.contains(told), "{told}: {story}");
    }
    let report = centre.api.get("/api/v1/reports/queues?from=2026-01-01");
    let row = &report["rows"][0];
    assert_eq!(
        (&row["offered"], &row["answered"], &row["called_back"]),
        (&json!(2), &json!(1), &json!(1)),
        "{row}"
    );
}

// E5 D14
#[test]
fn a_caller_who_waits_in_the_call_is_let_go_by_a_bye() {
    let folder = sounds();
    let centre = with(Setup::default(), &folder).start();
    declare(&centre, centre.agent_address(), "answer = true");
    let media = Media::open(CALLER, &centre.ports);
    let mut carla = support::Party::caller(&centre, false);
    carla.invite("support", &Extra::audio(media.address()));
    let answer = carla.hears(200, 1, "INVITE");
    carla.ack(&answer, &Extra::default());
    hears(&media, MUSIC_HZ);
    let key = Extra::default().body("application/dtmf-relay", "Signal=1\r\n");
    carla.ask("INFO", 2, &key);
    carla.hears(200, 2, "INFO");
    let bye = carla.takes("BYE");
    carla.answer(&bye, 200, &Extra::default());
    let list = centre.api.list("/api/v1/callbacks");
    assert_eq!(list.len(), 1, "{list:?}");
    until("no session is left", SOON, || {
        centre.relay_sessions().is_empty().then_some(())
    });
    let path = format!("/api/v1/callbacks/{}", id(&list[0]));
    assert_eq!(centre.api.request("DELETE", &path, None).status, 204);
    assert_eq!(centre.api.request("DELETE", &path, None).status, 204);
    centre.wait_empty();
}

// E5
#[test]
fn a_customer_who_does_not_answer_is_called_again() {
    let centre = Centre::start();
    declare(&centre, centre.agent_address(), "");
    set_status(&centre, "ready");
    let promise = promised(&centre, "tel:+4930123456");
    let reserved = offered(&centre, &promise);
    let again = promised_before(&centre);
    assert!(again.contains("promised a call before"), "{again}");
    report(&centre, &reserved, "calling");
    let away = json!({"result": "failed", "cause": "customer_away"});
    let answer = try_report(&centre, &reserved, &away);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["state"], "scheduled");
    assert_eq!(centre.agent("anna")["activity"], "idle");
    let second = offered(&centre, &promise);
    assert_ne!(second["offer"], reserved["offer"]);
    let late = try_report(&centre, &reserved, &json!({"result": "answered"}));
    assert_eq!(late.status, 409, "{}", late.text);
    try_report(&centre, &second, &away);
    let over = stands(&centre, &promise);
    assert_eq!(over["why"], "customer_away", "{over}");
    centre.wait_empty();
}

fn promised_before(centre: &Centre) -> String {
    let again = ask(centre, "tel:+4930123456", None);
    assert_eq!(again.status, 409, "{}", again.text);
    again.text
}

// E5
#[test]
fn what_cannot_be_promised_is_refused_with_the_reason() {
    let centre = Centre::start();
    declare(&centre, centre.agent_address(), "");
    for (call, at, status, why) in [
        ("sip:a@b.example", Some("yesterday"), 400, "RFC 3339"),
        ("sip:a@b.example", Some("2099-01-01"), 409, "ahead_seconds"),
        ("dora", None, 409, "tel:+"),
        ("", None, 422, "call"),
    ] {
        let answer = ask(&centre, call, at);
        assert_eq!(answer.status, status, "{}", answer.text);
        let said = answer.text.replace("2026-11-22T08", "RFC 3339");
        assert!(said.contains(why), "{why}: {}", answer.text);
    }
    let none = Declaration::new().at("anna", centre.agent_address());
    centre.apply(&none);
    let answer = ask(&centre, "sip:a@b.example", None);
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.text.contains("call_back = {}"), "{}", answer.text);
}

// E5 G1
#[test]
fn promises_outlive_crashes_in_their_order_and_no_reservation_is_given_twice() {
    let mut centre = Setup::default().apart().start();
    let at = centre.agent_address();
    declare(&centre, at, "");
    let mut order = Vec::new();
    for number in 0..5 {
        let promise = promised(&centre, &format!("sip:c{number}@example.net"));
        order.push(id(&promise).to_owned());
    }
    let in_an_hour = ask(&centre, "sip:later@example.net", Some(&in_an_hour()));
    let later = in_an_hour.json();
    assert_eq!(later["state"], "scheduled", "{later}");
    set_status(&centre, "ready");
    let first = json!({ "contact": order[0] });
    let before = offered(&centre, &first);

    centre.control_process.kill();
    centre.restart_control();
    assert_eq!(waiting(&centre), order, "everyone in the old place");
    assert_eq!(stands(&centre, &later)["state"], "scheduled");
    let after = offered(&centre, &first);
    assert_ne!(after["offer"], before["offer"]);
    let stale = try_report(&centre, &before, &json!({"result": "answered"}));
    assert_eq!(stale.status, 409, "{}", stale.text);
    report(&centre, &after, "answered");
    centre.control_process.kill();
    centre.restart_control();
    assert_eq!(stands_outside(&centre, &first)["state"], "connected");
    assert_eq!(waiting(&centre), order[1..]);
    assert_eq!(report(&centre, &after, "ended")["state"], "ended");
    let second = offered(&centre, &json!({ "contact": order[1] }));
    assert_eq!(second["agent"], "anna");
}

fn stands_outside(centre: &Centre, routed: &Value) -> Value {
    centre.api.get(&format!("/api/v1/route/{}", id(routed)))
}

fn in_an_hour() -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    let hour = Duration::from_secs(3_600);
    (since.expect("after 1970") + hour).as_millis().to_string()
}
