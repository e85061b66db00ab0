//! Session timers (RFC 4028): each phone agrees on one with the relay, and refreshes it alone. That a
//! missing refresh ends the call takes a minute at least, and is proved on the virtual clock
//! (`relay/tests/session/timers.rs`).

use crate::support;

use support::sipp::received;
use support::steps::{More, Of, bye, ends, hears, send};
use support::{CALL, SOON, Stage};

// B6
#[test]
fn each_phone_refreshes_its_own_leg() {
    let Some(stage) = Stage::set() else { return };
    let refresh = |expires: &str| {
        More::headers(&format!(
            "Supported: timer\nSession-Expires: {expires};refresher=uac"
        ))
    };
    let agent = send(Of::Agent, "UPDATE", 5, &refresh("900")) + &hears(200) + &ends();
    let caller = send(Of::Caller, "UPDATE", 2, &refresh("1200"))
        + &hears(200)
        + "  <pause/>\n"
        + &bye(Of::Caller, 3);
    let call = stage.call(
        stage
            .agent("agent_steps.xml")
            .word(
                "ok_header",
                "Require: timer\nSession-Expires: 900;refresher=uas",
            )
            .word("steps", agent),
        stage
            .caller("caller_steps.xml")
            .word("header", "Supported: timer\nSession-Expires: 1200")
            .word("steps", caller),
    );
    let caller = call.caller.succeeds(CALL);
    let agent = call.agent.succeeds(SOON);
    for (seen, method, expires) in [
        (&caller, "INVITE", "1200;refresher=uac"),
        (&caller, "UPDATE", "1200;refresher=uac"),
        (&agent, "UPDATE", "900;refresher=uac"),
    ] {
        let mut answers = received(seen).filter(|sip| sip.is_answer(200, method));
        let answer = answers.next().unwrap();
        assert_eq!(answer.header("Session-Expires"), Some(expires), "{method}");
    }
    let offer = received(&agent)
        .find(|sip| sip.is_request("INVITE"))
        .unwrap();
    assert_eq!(offer.header("Session-Expires"), Some("1800;refresher=uas"));
    for seen in [&caller, &agent] {
        assert!(
            !received(seen).any(|sip| sip.is_request("UPDATE")),
            "a leg's own affair"
        );
    }
    stage.centre.wait_empty();
}
