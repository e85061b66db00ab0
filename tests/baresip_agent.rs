//! An agent's phone as people have it: baresip registers with digest, answers, and sends a tone.

use crate::support;

use std::time::Duration;

use support::baresip::{Baresip, TONE_HZ};
use support::sound;
use support::{CALL, CALLER, Centre, Declaration, Media, RELAY, SOON, Setup, Sipp, have, until};

/// Two seconds of the caller's speech.
const PACKETS: u16 = 100;

/// baresip 1.0 knows MD5 only and gives up when anything else is offered beside it.
fn centre() -> Centre {
    let centre = Setup::default()
        .control(support::centre::MD5_ONLY)
        .also_at(support::baresip::address())
        .start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    centre
}

// A5 A6 B6 B7 D12
#[test]
fn a_registered_baresip_takes_a_call_and_both_hear_each_other() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let centre = centre();
    let mut phone = Baresip::start(&centre, "udp", "anna", "secret");
    centre.wait_available("anna");
    let carla = Media::open(CALLER, &centre.ports);
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(5))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    assert_eq!(to_anna.ip(), RELAY);
    carla.talk(to_anna, 1, PACKETS);

    until("a second of baresip's audio", SOON, || {
        (carla.arrived().len() > 50).then_some(())
    });
    let heard = sound::samples(&carla.arrived());
    assert!(
        sound::has_tone(&heard, TONE_HZ),
        "the caller hears {TONE_HZ} Hz"
    );

    caller.succeeds(CALL);
    centre.wait_empty();
    centre.wait_available("anna");
    // It unregisters when it is closed, and is no longer reachable.
    phone.close();
    until("anna's phone is gone", SOON, || {
        (centre.agent("anna")["reachable"] == false).then_some(())
    });
    let energy: f64 = phone.heard().iter().map(|s| f64::from(*s).powi(2)).sum();
    assert!(energy > 1e9, "the agent hears the caller: {energy}");
}

// B6
#[test]
fn a_baresip_that_is_closed_in_a_call_hangs_up() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let centre = centre();
    let mut phone = Baresip::start(&centre, "udp", "anna", "secret");
    centre.wait_available("anna");
    let caller = Sipp::caller("caller_waits_for_bye.xml", CALLER, &centre).start();
    caller.answered();
    centre.wait_in_call("anna");
    phone.close();
    caller.succeeds(CALL);
    centre.wait_empty();
}

// A1 A5
#[test]
fn a_baresip_that_registered_over_tcp_is_called_on_its_connection() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let centre = centre();
    let _phone = Baresip::start(&centre, "tcp", "anna", "secret");
    centre.wait_available("anna");
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.answered();
    // Its Contact names a port that it connected from, where nobody listens: the call came over the
    // connection, and so do the requests inside it.
    caller.succeeds(CALL);
    centre.wait_empty();
    centre.wait_available("anna");
}
