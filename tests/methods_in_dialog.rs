//! Requests of every kind inside a call, from the caller to the agent and back; what the operator
//! denies is refused.

use crate::support;

use support::message::Sip;
use support::sipp::received;
use support::steps::{More, Of, bye, ends, hears, reply, send, takes};
use support::{AGENT, CALL, CALLER, SOON, Setup, Stage};

/// Methods with what they carry. The last one nobody has heard of.
fn methods() -> Vec<(&'static str, More)> {
    let event = More::headers("Event: presence\nSubscription-State: active\nX-Note: 7");
    vec![
        (
            "INFO",
            More::default().body("application/dtmf-relay", "Signal=5"),
        ),
        ("MESSAGE", More::default().body("text/plain", "hello")),
        ("NOTIFY", event.clone()),
        ("SUBSCRIBE", event),
        ("OPTIONS", More::headers("Accept: application/sdp")),
        ("UPDATE", More::headers("Supported: timer")),
        (
            "FROBNICATE",
            More::headers("X-Frob: 1").body("text/x-frob", "frob"),
        ),
    ]
}

/// Sends all of them, each with its answer, from `number` on.
fn asks(of: Of, first: u32) -> String {
    let step =
        |((method, more), cseq): ((&str, More), u32)| send(of, method, cseq, &more) + &hears(200);
    methods().into_iter().zip(first..).map(step).collect()
}

fn answers() -> String {
    let more = More::headers("X-Answer: yes");
    let step = |(method, _): (&str, More)| takes(method) + &reply("200 OK", &more);
    methods().into_iter().map(step).collect()
}

fn assert_passed(seen: &[support::sipp::Seen], other: std::net::IpAddr) {
    // The relay's own SUBSCRIBE asks for a termination notice.
    let own = |sip: &Sip| {
        let event = sip.header("Event");
        event.is_some_and(|event| event.starts_with("dialog"))
    };
    let got = |method: &str| -> &Sip {
        let mut all = received(seen).filter(|sip| sip.is_request(method) && !own(sip));
        all.next().unwrap_or_else(|| panic!("no {method}"))
    };
    assert_eq!(got("MESSAGE").body().trim(), "hello");
    assert_eq!(
        got("INFO").header("Content-Type"),
        Some("application/dtmf-relay")
    );
    assert_eq!(got("SUBSCRIBE").header("Event"), Some("presence"));
    assert_eq!(got("NOTIFY").header("X-Note"), Some("7"));
    assert_eq!(got("FROBNICATE").body().trim(), "frob");
    let answered = received(seen).filter(|sip| sip.header("X-Answer") == Some("yes"));
    assert_eq!(answered.count(), methods().len(), "all answers came back");
    for sip in received(seen) {
        assert!(
            !sip.0.contains(&other.to_string()),
            "hides {other}:\n{}",
            sip.0
        );
    }
}

// B6 D11
#[test]
fn every_method_passes_in_both_directions() {
    let Some(stage) = Stage::set() else { return };
    let agent = answers() + &asks(Of::Agent, 20) + &ends();
    let caller = asks(Of::Caller, 2) + &answers() + &bye(Of::Caller, 40);
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    assert_passed(&call.caller.succeeds(CALL), AGENT);
    assert_passed(&call.agent.succeeds(SOON), CALLER);
    stage.centre.wait_empty();
}

// B6
#[test]
fn a_method_that_the_operator_denies_is_405_and_the_call_goes_on() {
    let setup = Setup::default().relay("deny_methods = [\"REFER\", \"FROBNICATE\"]");
    let Some(stage) = Stage::set_with(setup) else {
        return;
    };
    let refused = |method| send(Of::Caller, method, 2, &More::headers("Refer-To: <sip:x@y>"));
    let steps = refused("FROBNICATE") + &hears(405);
    let steps = steps + &send(Of::Caller, "INFO", 3, &More::default()) + &hears(200);
    let call = stage.call(
        stage.agent("agent_steps.xml").word(
            "steps",
            takes("INFO") + &reply("200 OK", &More::default()) + &ends(),
        ),
        stage
            .caller("caller_steps.xml")
            .word("steps", steps + &bye(Of::Caller, 4)),
    );
    let seen = call.caller.succeeds(CALL);
    let refused = received(&seen)
        .find(|sip| sip.status() == Some(405))
        .unwrap();
    let allow = refused.header("Allow").unwrap();
    assert!(
        allow.contains("UPDATE") && !allow.contains("REFER"),
        "{allow}"
    );
    call.agent.succeeds(SOON);
    stage.centre.wait_empty();
}
