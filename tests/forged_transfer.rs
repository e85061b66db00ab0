//! Nobody outside can make the relay call an agent: not with an agent in the URI, not with a
//! signature of somebody else's call, not with headers that only the relay host may write.

use crate::support;

use std::net::UdpSocket;
use std::time::Duration;

use support::forms::{Form, setup};
use support::raw::{Raw, sdp};
use support::{CALL, CALLER, Capture, Centre, Declaration, Media, SOON, STRANGER, Sipp, have};

// B2
#[test]
fn a_transfer_that_control_did_not_sign_is_never_executed() {
    let mut centre = Centre::start();
    let victim_at = centre.agent_address();
    let victim = UdpSocket::bind(victim_at).expect("the victim's port");
    victim
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a time-out");
    centre.apply(&Declaration::new());
    let media = Media::open(STRANGER, &centre.ports);
    let forger = Raw::open(STRANGER, &centre.ports, centre.edge);
    let agent = format!(
        "agent=sip%3Avictim%40{}%3A{}",
        victim_at.ip(),
        victim_at.port()
    );
    let rest = "aor=victim;contact=1;offer=1;agentid=victim;exp=4102444800";
    let zero = "0".repeat(64);
    let forged = [
        format!("sip:relay.invalid;{agent};{rest};sig={zero}"),
        format!("sip:relay.invalid;{agent};{rest}"),
        format!("sip:support@{};{agent};{rest};sig={zero}", centre.edge),
        format!("sip:{};{agent}", centre.edge),
        format!("sip:victim@{victim_at}"),
    ];
    let body = sdp(media.address(), "0", "");
    for uri in forged {
        let invite = forger.request("INVITE", &uri, "victim", &body);
        let invite = invite.replace(
            "Max-Forwards",
            "P-Patchbay-Source: udp;127.0.0.3:5060\r\nMax-Forwards",
        );
        forger.send(&invite);
        let answer = forger.expect("a refusal", SOON, |sip| {
            sip.status().is_some_and(|status| status >= 200)
        });
        assert!(answer.status() >= Some(400), "{uri}: {}", answer.0);
        forger.send(forger.ack(&invite, &answer));
    }
    let mut buffer = [0; 2048];
    assert!(
        victim.recv(&mut buffer).is_err(),
        "nothing reached the victim"
    );
    assert!(centre.relay_sessions().is_empty());
    centre.assert_alive();
}

in_each_form!(a_signed_transfer_that_was_overheard_cannot_be_used_again);

// B2 B4 B5
fn a_signed_transfer_that_was_overheard_cannot_be_used_again(form: Form) {
    if !have(&["sipp", "tcpdump"]) {
        return;
    }
    let centre = setup(form).start();
    let agent_at = centre.declare_anna();
    let (link, api) = (centre.control_sip.port(), centre.relay_api_address.port());
    let link = Capture::start(&format!("tcp port {link} or tcp port {api}"));
    let anna = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    anna.succeeds(SOON);
    centre.wait_empty();
    let seen = link.stop();
    let overheard = seen
        .delivered_to(support::RELAY)
        .iter()
        .map(|stream| String::from_utf8_lossy(stream).into_owned())
        .find_map(|text| {
            let at = text.find("INVITE sip:relay.invalid")?;
            text[at..].split(' ').nth(1).map(str::to_owned)
        })
        .expect("a transfer on the link between relay and control");
    assert!(overheard.contains(";agent=") && overheard.contains(";sig="));

    let desk = UdpSocket::bind(agent_at).expect("the agent's port");
    desk.set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a time-out");
    let media = Media::open(STRANGER, &centre.ports);
    let forger = Raw::open(STRANGER, &centre.ports, centre.edge);
    let invite = forger.request("INVITE", &overheard, "anna", &sdp(media.address(), "0", ""));
    forger.send(&invite);
    let answer = forger.expect("a refusal", SOON, |sip| {
        sip.status().is_some_and(|status| status >= 200)
    });
    assert!(answer.status() >= Some(400), "{}", answer.0);
    // The same in the form in which it was overheard, and as strangers can write it.
    forger.send(forger.ack(&invite, &answer));
    let wrapped = forger.request("MESSAGE", "sip:relay.invalid", "anna", &invite);
    let wrapped = wrapped.replacen("application/sdp", "message/sip", 1);
    forger.send(wrapped);
    let answer = forger.expect("a refusal", SOON, |sip| sip.is_answer(403, "MESSAGE"));
    assert_eq!(answer.status(), Some(403));
    let mut buffer = [0; 2048];
    assert!(desk.recv(&mut buffer).is_err(), "the agent was not called");
    assert!(centre.relay_sessions().is_empty());
    let metrics = centre.relay_api.request("GET", "/metrics", None).text;
    let forged = "patchbay_relay_sip_drops_total{reason=\"forged_transfer\"} 2";
    assert!(metrics.contains(forged), "{metrics}");
}
