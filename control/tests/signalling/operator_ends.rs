//! An operator ends a contact.
use crate::support::{ONE_REGISTERS, Scene, TWO_AGENTS, Transfer};
use patchbay_control::node::Ending;

#[test]
fn a_waiting_contact_is_refused() {
    let mut scene = Scene::new(ONE_REGISTERS);
    scene.call("call-1");
    scene.expect(182);
    let now = scene.now();
    let contact = scene.machine.snapshot(now).contacts[0].id;
    scene.run(|machine, now| assert_eq!(machine.end_contact(contact, now), Ending::Refused));
    assert!(scene.expect(480).headers.contains("Retry-After"));
    scene.run(|machine, now| assert_eq!(machine.end_contact(contact, now), Ending::Unknown));
}

#[test]
fn a_ringing_contact_is_refused_and_its_phone_stops() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    let contact = contact(&transfer);
    scene.run(|machine, now| assert_eq!(machine.end_contact(contact, now), Ending::Refused));
    scene.expect(480);
    scene.expect_cancel(&transfer);
    scene.refuse(&transfer, 487);
    scene.expect_nothing();
}

#[test]
fn a_connected_contact_is_for_its_relay_to_end() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 200);
    scene.expect(200);
    let contact = contact(&transfer);
    scene.run(|machine, now| assert_eq!(machine.end_contact(contact, now), Ending::Unlisted));
}

fn contact(transfer: &Transfer) -> patchbay_core::ContactId {
    transfer.target.contact.parse().unwrap()
}
