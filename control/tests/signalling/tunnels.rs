//! Transfers by tunnels (B5): each has its own, and one that breaks costs its own transfer alone.
use crate::support::{Scene, TWO_AGENTS};
use patchbay_route::transfer::{Carrier, TUNNELS};

// B5
#[test]
fn each_transfer_has_a_tunnel_of_its_own_that_ends_with_it() {
    let mut scene = Scene::by(Carrier::Tunnel, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    assert_eq!((scene.opened.len(), scene.closed.len()), (1, 0));
    assert!(TUNNELS.contains(&scene.opened[0].connection));
    assert_eq!(
        scene.opened[0].remote, scene.flow.remote,
        "to whence the call came"
    );
    scene.refuse(&first, 486);
    assert_eq!(scene.closed, scene.opened[..1], "closed behind the ACK");
    let second = scene.expect_transfer("bert");
    assert_eq!(scene.opened.len(), 2);
    scene.answer(&second, 200);
    scene.expect(200);
    assert_eq!(
        scene.standing(),
        scene.opened[1..],
        "the answer may come again"
    );
    scene.answer(&second, 200);
    scene.expect(200);
    scene.seconds(60);
    assert!(scene.standing().is_empty());
    assert!(scene.machine.signalling().layer().is_empty());
}

// B5
#[test]
fn a_tunnel_that_breaks_while_the_phone_rings_leads_the_call_to_the_next_agent() {
    let mut scene = Scene::by(Carrier::Tunnel, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.answer(&first, 180);
    scene.expect(180);
    let (tunnel, now) = (scene.opened[0], scene.now());
    scene.run(|machine, _| machine.flow_failed(tunnel, now));
    let second = scene.expect_transfer("bert");
    assert_eq!(scene.standing(), scene.opened[1..]);
    scene.answer(&second, 200);
    scene.expect(200);
    assert_eq!(scene.events_named("offer_failed")[0]["why"], "unreachable");
}

// B5
#[test]
fn a_relay_that_ends_the_tunnel_of_an_answered_call_changes_nothing() {
    let mut scene = Scene::by(Carrier::Tunnel, TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 200);
    scene.expect(200);
    let (tunnel, now) = (scene.opened[0], scene.now());
    scene.run(|machine, _| machine.flow_failed(tunnel, now));
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);
    assert!(scene.events_named("offer_failed").is_empty());
    scene.seconds(60);
    scene.expect_nothing();
    assert_eq!(scene.machine.signalling().calls(), 0);
}
