//! What comes with a call for the agent: in events before the phone rings, and in its INVITE.
use crate::support::{ALICE, Scene, TWO_AGENTS};
use patchbay_sip::HeaderName;

/// Calls from this address with all that a trunk may say.
fn call_from(scene: &mut Scene, source: &str, privacy: &str) {
    let mut invite = scene.invite("call-1");
    let headers = &mut invite.headers;
    headers.set("P-Patchbay-Source", format!("udp;{source}:5060"));
    headers.push("User-to-User", "56a390f3d2b7310023a;encoding=hex");
    headers.push(
        HeaderName::CallInfo,
        "<https://shop.example/cart/7>;purpose=info",
    );
    headers.push(HeaderName::AlertInfo, "<urn:alert:source:external>");
    headers.push(
        "P-Asserted-Identity",
        "\"Alice\" <sip:+41445550100@trunk.example>",
    );
    headers.push("Diversion", "<sip:shop@trunk.example>;reason=no-answer");
    headers.push("History-Info", "<sip:shop@trunk.example>;index=1");
    if !privacy.is_empty() {
        headers.push("Privacy", privacy);
    }
    scene.receive(&invite);
}

fn names(scene: &Scene) -> Vec<String> {
    let typed = &scene.events_named("contact_typed")[0];
    let info = typed["info"].as_object().unwrap();
    info.keys().cloned().collect()
}

// A10: the agent's side knows before the phone rings.
#[test]
fn what_a_trusted_trunk_says_is_told_first_and_then_rings() {
    let mut scene = Scene::new(TWO_AGENTS);
    call_from(&mut scene, "198.18.0.7", "");
    let transfer = scene.expect_transfer("anna");
    let order: Vec<String> = scene
        .events
        .iter()
        .map(|event| serde_json::to_value(event).unwrap()["type"].to_string())
        .filter(|kind| !kind.contains("agent"))
        .collect();
    assert_eq!(
        order,
        ["\"contact_typed\"", "\"contact_offered\""],
        "nothing rings yet"
    );
    assert_eq!(
        names(&scene),
        [
            "alert-info",
            "call-info",
            "diversion",
            "history-info",
            "p-asserted-identity",
            "user-to-user"
        ]
    );
    let headers = &transfer.invite.headers;
    for name in [
        "P-Asserted-Identity",
        "Diversion",
        "History-Info",
        "User-to-User",
    ] {
        assert!(headers.contains(name), "{name}");
    }
    let infos: Vec<&str> = headers.all(HeaderName::CallInfo).collect();
    let contact = &transfer.target.contact;
    let pop = format!("<https://crm.example/pop?contact={contact}>;purpose=info");
    assert_eq!(
        infos,
        ["<https://shop.example/cart/7>;purpose=info", pop.as_str()]
    );
    scene.answer(&transfer, 180);
    assert_eq!(scene.events_named("offer_ringing").len(), 1);
}

// A10; RFC 3325 section 5
#[test]
fn what_a_stranger_says_of_identity_is_taken_away() {
    let mut scene = Scene::new(TWO_AGENTS);
    let host = ALICE.split(['@', ':']).nth(2).unwrap();
    call_from(&mut scene, host, "");
    let transfer = scene.expect_transfer("anna");
    assert_eq!(names(&scene), ["alert-info", "call-info", "user-to-user"]);
    for name in ["P-Asserted-Identity", "Diversion", "History-Info"] {
        assert!(!transfer.invite.headers.contains(name), "{name}");
    }
    assert_eq!(scene.machine.signalling().counters().identity_taken, 3);
}

// A10; RFC 3323 section 4.2
#[test]
fn a_caller_who_asks_for_privacy_has_it() {
    let mut scene = Scene::new(TWO_AGENTS);
    call_from(&mut scene, "198.18.0.7", "id; history");
    let transfer = scene.expect_transfer("anna");
    assert_eq!(names(&scene), ["alert-info", "call-info", "user-to-user"]);
    assert!(!transfer.invite.headers.contains("P-Asserted-Identity"));
}
