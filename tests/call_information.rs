//! What a call brings for the agent: told before the phone rings, and in the phone's INVITE.

use crate::support;

use support::sipp::received;
use support::{CALL, CALLER, Declaration, SOON, Setup, Sipp, have};

const BROUGHT: &str = "User-to-User: 56a390f3d2b7310023a;encoding=hex\n\
    P-Asserted-Identity: <sip:+41445550100@trunk.example>\n\
    Diversion: <sip:shop@trunk.example>;reason=no-answer";

/// Calls, and gives what the contact's first event says and the INVITE that the phone got.
fn called(control: &str) -> (serde_json::Value, support::message::Sip) {
    let centre = Setup::default().control(control).start();
    let at = centre.agent_address();
    centre.apply(&Declaration::new().at("anna", at));
    let agent = Sipp::agent("agent.xml", at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .word("header", BROUGHT)
        .start();
    let live = support::wait::until("the contact", SOON, || centre.contacts().pop());
    let id = live["id"].as_str().expect("an identifier").to_owned();
    caller.succeeds(CALL);
    let seen = agent.succeeds(SOON);
    let invite = received(&seen).find(|sip| sip.is_request("INVITE"));
    let story = centre.api.get(&format!("/api/v1/contacts/{id}"));
    let text = story.to_string();
    let (typed, ringing) = (text.find("contact_typed"), text.find("offer_ringing"));
    assert!(typed.is_some() && typed < ringing, "{text}");
    (story, invite.expect("an INVITE").clone())
}

// A10
#[test]
fn what_a_trusted_caller_brings_reaches_events_and_phone() {
    if !have(&["sipp"]) {
        return;
    }
    let control =
        format!("trusted = [\"{CALLER}\"]\nscreen_pop_url = \"https://crm.example/{{contact}}\"\n");
    let (story, invite) = called(&control);
    let text = story.to_string();
    for told in ["56a390f3d2b7310023a", "+41445550100", "no-answer"] {
        assert!(text.contains(told), "{told} in {text}");
    }
    assert_eq!(
        invite.header("User-to-User"),
        Some("56a390f3d2b7310023a;encoding=hex")
    );
    for name in ["P-Asserted-Identity", "Diversion"] {
        assert!(invite.header(name).is_some(), "{name}");
    }
    let pop = invite.header("Call-Info").unwrap_or_default();
    assert!(pop.starts_with("<https://crm.example/"), "{pop}");
}

// A10
#[test]
fn a_stranger_may_not_say_who_calls() {
    if !have(&["sipp"]) {
        return;
    }
    let (story, invite) = called("");
    assert!(!story.to_string().contains("+41445550100"));
    assert!(invite.header("User-to-User").is_some());
    for name in ["P-Asserted-Identity", "Diversion", "Call-Info"] {
        assert!(invite.header(name).is_none(), "{name}");
    }
}
