//! Phones that people have transfer a call: baresip sends the REFER, another baresip follows it.

use crate::support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use support::baresip::{Baresip, address};
use support::sipp::received;
use support::{CALL, Centre, Declaration, Media, RELAY, SOON, Setup, Sipp, have, until};

/// Where the third phone lives.
const BOB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));
/// A second of speech.
const SECOND: u16 = 50;

/// baresip 1.0 knows MD5 only and gives up when anything else is offered beside it.
fn centre() -> Centre {
    let centre = Setup::default().control(support::centre::MD5_ONLY);
    let centre = centre.also_at(address()).start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    centre
}

// B6 B7 D11: RFC 5589 section 6
#[test]
fn an_agents_baresip_transfers_its_callers_baresip_to_another_phone() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let centre = centre();
    let anna = Baresip::start(&centre, "udp", "anna", "secret");
    centre.wait_available("anna");
    let bobs = Media::open(BOB, &centre.ports);
    let bob_at = SocketAddr::new(BOB, centre.ports.next());
    let bob = Sipp::agent("agent.xml", bob_at, &centre)
        .media(&bobs)
        .start();
    let mut carla = Baresip::call(&centre, "udp", "carla");
    centre.wait_in_call("anna");

    anna.command("transfer", &format!("sip:bob@{bob_at}"));
    let offer = bob.receives("an INVITE", CALL, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");
    assert_eq!(to_carla.ip(), RELAY);
    centre.wait_available("anna");
    bobs.talk(to_carla, 1, SECOND);
    until("a second of carla's tone", SOON, || {
        (bobs.arrived().len() > usize::from(SECOND)).then_some(())
    });
    // The transferred phone tells how it went, and by that anna's phone lets go.
    anna.says("200 OK", SOON);

    carla.close();
    let energy: f64 = carla.heard().iter().map(|s| f64::from(*s).powi(2)).sum();
    assert!(energy > 1e9, "carla hears bob: {energy}");
    for sip in received(&bob.succeeds(CALL)) {
        assert!(!sip.0.contains(&address().to_string()), "{}", sip.0);
    }
    centre.wait_empty();
}
