//! A request too large for UDP goes over TCP, and over UDP all the same where TCP is refused (RFC 3261
//! section 18.1.1).

use crate::support;

use std::time::Duration;

use support::raw::Raw;
use support::sipp::{Phone, received};
use support::{AGENT, CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have};

/// Long enough to read what has come already.
const BRIEFLY: Duration = Duration::from_millis(50);

/// Calls with a header that no datagram should have to carry.
fn fat_call(centre: &Centre) {
    let subject = format!("Subject: {}", "long ".repeat(300));
    let caller = Sipp::caller("caller.xml", CALLER, centre).word("header", subject);
    caller.start().succeeds(CALL);
}

/// The transports of the INVITEs that a phone got, as their Via names them.
fn came_by(phone: Phone) -> Vec<String> {
    let seen = phone.succeeds(SOON);
    let invites = received(&seen).filter(|sip| sip.is_request("INVITE"));
    let via = invites.filter_map(|sip| sip.header("Via")?.split(' ').next());
    via.map(str::to_owned).collect()
}

// A5 B6
#[test]
fn a_large_invite_goes_over_tcp_and_a_small_one_over_udp() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let anna = centre.declare_anna();
    let udp = Raw::at(anna, centre.edge);
    let over_tcp = Sipp::agent("agent.xml", anna, &centre).tcp().start();
    fat_call(&centre);
    assert_eq!(came_by(over_tcp), ["SIP/2.0/TCP"]);
    assert!(udp.all(BRIEFLY).is_empty(), "nothing over UDP");
    drop(udp);
    centre.wait_available("anna");

    let over_udp = Sipp::agent("agent.xml", anna, &centre).start();
    Sipp::caller("caller.xml", CALLER, &centre)
        .start()
        .succeeds(CALL);
    assert_eq!(came_by(over_udp), ["SIP/2.0/UDP"]);
    centre.wait_empty();
}

// A5 B6
#[test]
fn where_tcp_is_refused_or_not_wanted_a_large_invite_goes_over_udp() {
    if !have(&["sipp"]) {
        return;
    }
    for (keys, failovers) in [("", 1.0), ("large_over_tcp = false", 0.0)] {
        let centre = Setup::default().relay(keys).start();
        let anna = centre.agent_address();
        assert_eq!(anna.ip(), AGENT);
        centre.apply(&Declaration::new().at("anna", anna));
        // The second call knows already that nobody listens on TCP.
        for _ in 0..2 {
            let phone = Sipp::agent("agent.xml", anna, &centre).start();
            fat_call(&centre);
            assert_eq!(came_by(phone), ["SIP/2.0/UDP"]);
            centre.wait_available("anna");
        }
        let gone_on = centre.relay_api.metric("patchbay_relay_failovers_total");
        assert_eq!(gone_on, failovers, "{keys}");
        centre.wait_empty();
    }
}
