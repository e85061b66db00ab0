//! Rules decide what a call is, skills decide who takes it, and a dry run says the same beforehand.

use crate::support;

use serde_json::{Value, json};
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have};

const RULES: &str = r#"
[[rule]]
id = "german"
when = { to = "support@*", header = { Subject = "*hilfe*" } }
then = { queue = "support", skills = { german = 3 }, priority = 5, call_type = "german-support" }

[[rule]]
id = "closed"
when = { to = "support@*", from = "nuisance@*" }
then = { refuse = 403 }
"#;

fn declare(centre: &Centre) -> (std::net::SocketAddr, std::net::SocketAddr) {
    let (annas, bens) = (centre.agent_address(), centre.agent_address());
    let declaration = Declaration::new()
        .rules(RULES)
        .agent(
            "anna",
            &format!("uri = \"sip:anna@{annas}\"\nskills = {{ french = 5 }}"),
        )
        .agent(
            "ben",
            &format!("uri = \"sip:ben@{bens}\"\nskills = {{ german = 4 }}"),
        );
    centre.apply(&declaration);
    (annas, bens)
}

// A3 A4
#[test]
fn a_header_decides_the_type_and_the_type_decides_the_agent() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let (_annas, bens) = declare(&centre);
    let ben = Sipp::agent("agent.xml", bens, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .word("header", "Subject: Hilfe gesucht")
        .start();
    caller.answered();
    let contact = &centre.contacts()[0];
    assert_eq!(contact["call_type"], "german-support");
    assert_eq!(contact["rule"], "german");
    assert_eq!(contact["agent"], "ben");
    let id = contact["id"].as_str().expect("an identifier").to_owned();
    caller.succeeds(CALL);
    ben.succeeds(SOON);

    // The story of the call names the rule and its reasons, and why this agent.
    let story = centre.api.get(&format!("/api/v1/contacts/{id}"));
    let events = story["events"].as_array().expect("events");
    let typed = events.iter().find(|event| event["type"] == "contact_typed");
    let because = typed.expect("it was typed")["because"].to_string();
    assert!(because.contains("*hilfe*"), "{because}");
    let offered = events
        .iter()
        .find(|event| event["type"] == "contact_offered");
    assert_eq!(offered.expect("it was offered")["choice"]["chosen"], "ben");
}

// A3
#[test]
fn a_rule_can_refuse() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    declare(&centre);
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .named("nuisance")
        .word("header", "Subject: hello")
        .word("status", "403")
        .start();
    // The rule about the header does not match; the next one does.
    caller.succeeds(CALL);
}

// A3 G4
#[test]
fn a_dry_run_explains_what_would_happen_and_changes_nothing() {
    let centre = Centre::start();
    declare(&centre);
    let invite = format!(
        "INVITE sip:support@{edge} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKdry\r\n\
         From: <sip:carla@127.0.0.2>;tag=1\r\n\
         To: <sip:support@{edge}>\r\n\
         Call-ID: dry-run\r\n\
         CSeq: 1 INVITE\r\n\
         Subject: Hilfe\r\n\
         Contact: <sip:carla@127.0.0.2>\r\n\
         Content-Type: application/sdp\r\n\r\n\
         v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n",
        edge = centre.edge
    );
    let answer = centre
        .api
        .send_text("/api/v1/rules/explain", "message/sip", &invite);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let explained: Value = answer.json();
    let text = explained.to_string();
    for word in ["german", "ben", "anna"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(centre.contacts().is_empty());
    let nonsense = centre
        .api
        .request("POST", "/api/v1/rules/explain", Some(&json!({"x": 1})));
    assert_eq!(nonsense.status, 422, "{}", nonsense.text);
}
