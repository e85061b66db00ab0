//! An agent with several phones, and phones that cannot be reached.
use crate::support::{ONE_REGISTERS, Scene};

const DESK: &str = "<sip:anna@198.51.100.1>";
const MOBILE: &str = "<sip:anna@198.51.100.2>;q=0.5";

fn two_phones() -> Scene {
    let mut scene = Scene::new(ONE_REGISTERS);
    let contacts = format!("{MOBILE}, {DESK}");
    let request = scene.register_request("anna", Some(&contacts), 1);
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );
    scene
}

// A5
#[test]
fn a_phone_that_is_not_there_passes_the_same_offer_to_the_next() {
    let mut scene = two_phones();
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    assert_eq!(first.target.agent_uri, "sip:anna@198.51.100.1");
    scene.refuse(&first, 408);
    let second = scene.expect_transfer("anna");
    assert_eq!(second.target.agent_uri, "sip:anna@198.51.100.2");
    assert_eq!(second.target.offer, format!("{}.1", first.target.offer));
    assert_ne!(second.invite.uri(), first.invite.uri());
    scene.answer(&second, 200);
    scene.expect(200);
    assert!(scene.events_named("offer_failed").is_empty());
}

// RFC 5626 section 5.3
#[test]
fn a_phone_whose_connection_is_gone_is_forgotten() {
    let mut scene = two_phones();
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.refuse(&first, 430);
    scene.expect_transfer("anna");
    assert_eq!(scene.removed.len(), 1);
    assert_eq!(scene.removed[0].contact, "sip:anna@198.51.100.1");
}

#[test]
fn an_agent_who_declines_for_good_is_not_asked_on_other_phones() {
    let mut scene = two_phones();
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.refuse(&first, 603);
    scene.expect(182);
    scene.expect_nothing();
}

#[test]
fn a_relay_without_room_says_so() {
    let mut scene = two_phones();
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    let mut full = first.response(503);
    full.headers.push("Retry-After", "5");
    scene.receive(&full);
    let failed = scene.events_named("offer_failed");
    assert_eq!(failed[0]["why"], "relay_full");
}
