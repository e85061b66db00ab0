//! A node that is going down takes no new calls and leaves those that wait to their edges.
use crate::support::{ONE_REGISTERS, Scene};
use patchbay_sip::{HeaderName, Method};

#[test]
fn new_calls_are_sent_elsewhere_and_waiting_ones_are_left_to_their_edges() {
    let mut scene = Scene::new(ONE_REGISTERS);
    scene.call("call-1");
    scene.expect(182);
    scene.machine.drain();
    scene.call("call-2");
    let refused = scene.expect(503);
    assert_eq!(refused.headers.get(HeaderName::RetryAfter), Some("7"));
    let options = scene.request(Method::Options, "sip:patchbay.example", "ping", 1);
    scene.receive(&options);
    scene.expect(503);
    // Phones may still register: the bindings are kept for the next start.
    let register = scene.register_request("anna", None, 1);
    assert_eq!(
        scene.register(register, "anna", "open sesame").status(),
        Some(200)
    );

    assert_eq!(scene.machine.signalling().calls_to_end(), 0);
    scene.run(|machine, now| machine.end_all_waiting(now));
    scene.expect_nothing();
    assert_eq!(scene.machine.signalling().open_calls(), 1);
}
