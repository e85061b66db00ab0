//! Whoever has called before is known: rules go by earlier contacts, and the agent who served a caller
//! last is preferred, also after a restart of control.

use crate::support;

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have, until};

/// The newest past contact, when there are so many.
fn newest(centre: &Centre, number: usize) -> Value {
    until("the contact is past", SOON, || {
        let past = centre.api.get("/api/v1/contacts")["past"].clone();
        let done = past.as_array().expect("a list").clone();
        let over = done.iter().all(|one| one["ended_unix_ms"].is_u64());
        (done.len() == number && over).then(|| done[0].clone())
    })
}

fn set_status(centre: &Centre, agent: &str, status: &str) {
    let path = format!("/api/v1/agents/{agent}/status");
    let answer = centre
        .api
        .request("POST", &path, Some(&json!({"status": status})));
    assert_eq!(answer.status, 204, "{}", answer.text);
}

// A3
#[test]
fn a_rule_knows_who_calls_again_and_who_answered() {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = Setup::default().apart().start();
    let ben = centre.agent_address();
    let rules = r#"
[[rule]]
id = "again"
when = { to = "support@*", expression = 'earlier.contacts > 0 && earlier.agent == "ben" && earlier.queue == "support" && earlier.seconds_ago < 3600' }
then = { refuse = 486 }
"#;
    centre.apply(&Declaration::new().rules(rules).at("ben", ben));
    let phone = Sipp::agent("agent.xml", ben, &centre).calls(2).start();
    let [carla, dora] = [0, 1].map(|_| SocketAddr::new(CALLER, centre.ports.next()));
    let call = |centre: &Centre, at| Sipp::caller("caller.xml", CALLER, centre).at(at).start();
    let again = |centre: &Centre, at| {
        let caller = Sipp::caller("caller_refused.xml", CALLER, centre).at(at);
        caller.word("status", "486").start().succeeds(CALL);
    };
    call(&centre, carla).succeeds(CALL);
    assert_eq!(newest(&centre, 1)["rule"], "support");
    again(&centre, carla);
    let refused = newest(&centre, 2);
    assert_eq!(
        (&refused["outcome"], &refused["refuse_reason"]),
        (&json!("refused"), &json!("by_rule"))
    );
    call(&centre, dora).succeeds(CALL);
    newest(&centre, 3);
    centre.control_process.kill();
    centre.restart_control();
    again(&centre, dora);
    phone.succeeds(SOON);
}

// A3 A4
#[test]
fn the_agent_who_served_a_caller_last_is_known_after_a_restart() {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = Setup::default().apart().start();
    let [anna, ben] = [0, 1].map(|_| centre.agent_address());
    let declaration = Declaration::new()
        .queue("sticky_seconds", 0)
        .queue("strategy", "\"top_down\"")
        .agent(
            "anna",
            &format!("uri = \"sip:anna@{anna}\"\ntiers = {{ support = 1 }}"),
        )
        .agent(
            "ben",
            &format!("uri = \"sip:ben@{ben}\"\ntiers = {{ support = 2 }}"),
        );
    centre.apply(&declaration);
    let anna = Sipp::agent("agent.xml", anna, &centre).start();
    let ben = Sipp::agent("agent.xml", ben, &centre).calls(2).start();
    let [carla, dora] = [0, 1].map(|_| SocketAddr::new(CALLER, centre.ports.next()));
    let call = |centre: &Centre, at| {
        let caller = Sipp::caller("caller.xml", CALLER, centre).at(at).start();
        caller.succeeds(CALL);
    };
    set_status(&centre, "anna", "logged_out");
    call(&centre, carla);
    assert_eq!(newest(&centre, 1)["agent"], "ben");
    centre.control_process.kill();
    centre.restart_control();
    set_status(&centre, "anna", "ready");
    centre.wait_available("anna");
    centre.wait_available("ben");
    call(&centre, carla);
    assert_eq!(newest(&centre, 2)["agent"], "ben", "as before");
    centre.wait_available("ben");
    call(&centre, dora);
    assert_eq!(
        newest(&centre, 3)["agent"],
        "anna",
        "the first tier for others"
    );
    anna.succeeds(SOON);
    ben.succeeds(SOON);
}
