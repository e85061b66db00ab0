//! The connection to a relay's host breaks.
use crate::support::{ONE_REGISTERS, Scene, TWO_AGENTS};
use patchbay_route::transfer::Carrier;

in_each_form!(ringing_callers_behind_it_are_gone_and_the_agent_is_free_again,);

#[test]
fn waiting_callers_behind_it_are_gone() {
    let mut scene = Scene::new(ONE_REGISTERS);
    scene.call("call-1");
    scene.expect(182);
    scene.disconnect();
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);
    let now = scene.now();
    assert!(scene.machine.snapshot(now).contacts.is_empty());
    scene.seconds(120);
    scene.expect_nothing();
    assert_eq!(scene.machine.signalling().calls(), 0);
}

fn ringing_callers_behind_it_are_gone_and_the_agent_is_free_again(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 180);
    scene.expect(180);
    scene.disconnect();
    scene.seconds(60);
    let now = scene.now();
    let snapshot = scene.machine.snapshot(now);
    assert!(snapshot.contacts.is_empty());
    assert!(
        snapshot.agents.iter().all(|agent| agent.available),
        "{snapshot:?}"
    );
}
