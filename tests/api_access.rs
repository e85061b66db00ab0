//! The API: authenticated, documented, versioned; its events tell the story of a call as it happens.

use crate::support;

use std::os::unix::fs::PermissionsExt;

use support::api::Api;
use support::{CALL, CALLER, Centre, SOON, Sipp, have, until};

// F5
#[test]
fn nothing_is_told_without_the_token() {
    let centre = Centre::start();
    let token = centre.folder.file("data").join("api-token");
    let mode = std::fs::metadata(token)
        .expect("a token")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for wrong in [None, Some("guess")] {
        let control = Api::new(centre.api_address, wrong);
        for path in [
            "agents", "queues", "rules", "contacts", "sessions", "relays", "events",
        ] {
            let answer = control.request("GET", &format!("/api/v1/{path}"), None);
            assert_eq!(answer.status, 401, "{path}");
        }
        assert_eq!(control.request("GET", "/metrics", None).status, 401);
        let relay = Api::new(centre.relay_api_address, wrong);
        for path in ["sessions", "events", "capacity"] {
            let answer = relay.request("GET", &format!("/relay/v1/{path}"), None);
            assert_eq!(answer.status, 401, "{path}");
        }
        assert_eq!(relay.request("POST", "/relay/v1/drain", None).status, 401);
        for probe in ["/healthz", "/readyz"] {
            assert_eq!(control.request("GET", probe, None).status, 200);
            assert_eq!(relay.request("GET", probe, None).status, 200);
        }
    }
}

// F5
#[test]
fn the_document_lists_what_is_served() {
    let centre = Centre::start();
    let document = centre.api.get("/api/v1/openapi.json");
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|v| v.starts_with("3."))
    );
    let paths = document["paths"].as_object().expect("paths");
    for name in [
        "agents", "queues", "rules", "contacts", "sessions", "relays",
    ] {
        let path = format!("/api/v1/{name}");
        assert!(paths.contains_key(&path), "{path} is documented");
        assert_eq!(centre.api.request("GET", &path, None).status, 200, "{path}");
    }
    assert_eq!(
        centre
            .api
            .request("GET", "/api/v1/nothing-here", None)
            .status,
        404
    );
    assert_eq!(
        centre.api.request("DELETE", "/api/v1/agents", None).status,
        405
    );
}

// F5
#[test]
fn the_event_stream_and_the_metrics_follow_a_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let stream = centre.api.follow("/api/v1/events");
    let agent = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    centre.wait_empty();
    for word in ["support", "anna"] {
        until(&format!("an event names {word}"), SOON, || {
            stream.text().contains(word).then_some(())
        });
    }
    assert!(centre.api.metric("patchbay_contacts_connected_total") >= 1.0);
    assert!(centre.relay_api.metric("patchbay_relay_transfers_total") >= 1.0);
}
