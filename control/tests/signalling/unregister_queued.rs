//! Phones come and go while a caller waits.
use crate::support::{ONE_REGISTERS, Scene};

const PHONE: &str = "<sip:anna@198.51.100.1:5090>";

#[test]
fn a_waiting_caller_is_served_when_a_phone_registers() {
    let mut scene = Scene::new(ONE_REGISTERS);
    scene.call("call-1");
    scene.expect(182);
    let request = scene.register_request("anna", Some(PHONE), 1);
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 200);
    scene.expect(200);
}

#[test]
fn a_phone_that_unregisters_is_not_called_and_the_caller_goes_on_waiting() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    scene.register(request, "anna", "open sesame");
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    // Busy with another call outside the centre, then gone.
    scene.refuse(&transfer, 486);
    scene.expect(182);
    let contact = format!("{PHONE};expires=0");
    let leave = scene.register_request("anna", Some(&contact), 3);
    assert_eq!(
        scene.register(leave, "anna", "open sesame").status(),
        Some(200)
    );
    scene.seconds(50);
    scene.expect_nothing();

    let back = scene.register_request("anna", Some(PHONE), 5);
    assert_eq!(
        scene.register(back, "anna", "open sesame").status(),
        Some(200)
    );
    scene.expect_transfer("anna");
}

#[test]
fn an_agent_that_is_no_longer_declared_loses_its_phone() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    scene.register(request, "anna", "open sesame");
    scene.configure(&ONE_REGISTERS.replace("\"anna\"", "\"carl\""));
    assert_eq!(scene.removed.len(), 1);
    scene.call("call-1");
    scene.expect(182);
}
