//! Events as the API sends them, and the lines that they make.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

const CONTACT: &str = "0000000000000007";

fn story() -> Story {
    Story::new(Paint::plain())
}

/// Hears one event; its line without the time of day.
fn hear(story: &mut Story, kind: &str, mut fields: serde_json::Value) -> Option<String> {
    let extra = json!({"unix_ms": 0, "type": kind, "contact": CONTACT});
    fields
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    let event = serde_json::from_value(fields).unwrap();
    story
        .hear(&event)
        .map(|told| told.line.split_once(' ').unwrap().1.to_owned())
}

fn typed(story: &mut Story) {
    let fields = json!({
        "call_type": "support-german", "rule": "r", "because": [], "queue": "support",
        "skills": {"german": 2}, "priority": 0, "media": ["audio"],
        "from": "sip:caller-7@127.0.0.1:5060", "to": "sip:support@127.0.0.1:5060;x=y",
    });
    assert_eq!(hear(story, "contact_typed", fields), None);
}

fn offered(story: &mut Story) {
    let choice = json!({"chosen": "anna", "qualified": 2, "free": 2, "considered": [
        {"agent": "anna", "verdict": "chosen", "idle_ms": 4200},
        {"agent": "bruno", "verdict": "in_call"},
        {"agent": "carl", "verdict": "lacks_skill", "skill": "german", "needs": 2, "has": 0},
        {"agent": "dora", "verdict": "not_in_queue"},
    ]});
    let fields = json!({"offer": CONTACT, "agent": "anna", "queue": "support", "waited_ms": 0,
        "ring_ms": 1000, "choice": choice});
    assert_eq!(hear(story, "contact_offered", fields), None);
}

fn connected(story: &mut Story) -> Option<String> {
    let fields = json!({"offer": CONTACT, "agent": "anna", "queue": "support", "waited_ms": 0});
    hear(story, "contact_connected", fields)
}

const LINE: &str = "call   7 sip:support@127.0.0.1:5060  type=support-german queue=support → anna \
                    (longest idle 4.2 s; bruno in a call, carl lacks german) set-up 14.0 ms";

#[test]
fn a_call_is_told_once_both_the_phone_and_the_centre_have_said_so() {
    let mut story = story();
    typed(&mut story);
    offered(&mut story);
    assert_eq!(connected(&mut story), None);
    let told = story
        .answered("caller-7", Duration::from_millis(14))
        .unwrap();
    assert_eq!(told.line.split_once(' ').unwrap().1, LINE);
    assert_eq!(told.setup, Some((Duration::from_millis(14), true)));
    assert!(!story.is_told());
}

#[test]
fn the_phone_may_be_quicker_than_the_event_stream() {
    let mut story = story();
    assert!(
        story
            .answered("caller-7", Duration::from_millis(14))
            .is_none()
    );
    typed(&mut story);
    offered(&mut story);
    assert_eq!(connected(&mut story).as_deref(), Some(LINE));
}

#[test]
fn waiting_moving_on_and_refusal_are_told() {
    let mut story = story();
    typed(&mut story);
    let choice = json!({"chosen": null, "qualified": 1, "free": 0, "considered": [
        {"agent": "anna", "verdict": "reserved"}]});
    let fields = json!({"queue": "support", "position": 2, "choice": choice});
    let line = hear(&mut story, "contact_queued", fields).unwrap();
    assert!(
        line.ends_with("waits in support, position 2 (anna ringing)"),
        "{line}"
    );
    let fields = json!({"offer": CONTACT, "agent": "eddi", "why": "busy", "code": 486});
    let line = hear(&mut story, "offer_failed", fields).unwrap();
    assert!(line.ends_with("eddi: busy 486"), "{line}");
    let fields = json!({"queue": "support", "status": 480, "retry_after_s": 30,
        "why": "waited_too_long", "waited_ms": 9000});
    let line = hear(&mut story, "contact_refused", fields).unwrap();
    assert!(
        line.ends_with("refused 480 (waited too long, Retry-After 30)"),
        "{line}"
    );
    assert!(story.is_told());
}
