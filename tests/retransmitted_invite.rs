//! Over UDP an INVITE may come more than once. It is one call.

use crate::support;

use std::time::Duration;

use support::raw::{Raw, sdp};
use support::{CALL, CALLER, Centre, Media, SOON, Sipp, have, until};

// A1 A5
#[test]
fn a_repeated_invite_is_one_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .hold(Duration::from_millis(700))
        .start();
    let carla = Media::open(CALLER, &centre.ports);
    let phone = Raw::open(CALLER, &centre.ports, centre.edge);
    let invite = phone.invite(
        "support",
        &sdp(carla.address(), "0", "a=rtpmap:0 PCMU/8000\r\n"),
    );

    phone.send(&invite);
    phone.send(&invite);
    phone.expect("180", SOON, |sip| sip.is_answer(180, "INVITE"));
    phone.send(&invite);
    let answer = phone.expect("200", SOON, |sip| sip.is_answer(200, "INVITE"));
    phone.send(&invite);
    until("there is a session", SOON, || {
        (!centre.relay_sessions().is_empty()).then_some(())
    });
    assert_eq!(centre.relay_sessions().len(), 1);
    assert_eq!(centre.contacts().len(), 1);
    phone.send(phone.in_dialog("ACK", 1, &invite, &answer));
    phone.send(phone.in_dialog("BYE", 2, &invite, &answer));
    phone.expect("200 to BYE", SOON, |sip| sip.is_answer(200, "BYE"));

    let seen = agent.succeeds(CALL);
    let invites = support::sipp::received(&seen).filter(|sip| sip.is_request("INVITE"));
    assert_eq!(invites.count(), 1, "one INVITE reached the agent");
    centre.wait_empty();
}
