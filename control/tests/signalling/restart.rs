//! A restarted node knows its agents' phones and takes over calls that live on the relay.
use crate::support::{ONE_REGISTERS, Scene, UNIX_MS};
use patchbay_control::link::LinkReport;
use patchbay_route::session::{
    EndCause, Ended, EndedBy, RelayEvent, SessionEvent, SessionList, SessionRef, SessionState,
    SessionView,
};

const PHONE: &str = "<sip:anna@198.51.100.1:5090>";

fn registered() -> Scene {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );
    scene
}

// A5
#[test]
fn bindings_survive_a_restart() {
    let saved = registered().saved;
    let mut scene = Scene::seeded(ONE_REGISTERS, 2);
    scene.run(|machine, now| machine.restore(saved, now));
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    assert_eq!(
        transfer.target.path.as_deref(),
        Some("<sip:token@192.0.2.1;lr;ob>")
    );
    // And they still end in time.
    scene.refuse(&transfer, 486);
    scene.seconds(3_601);
    assert_eq!(scene.removed.len(), 1);
}

#[test]
fn bindings_of_agents_that_are_gone_or_that_ended_meanwhile_are_forgotten() {
    let mut saved = registered().saved;
    saved[0].expires_unix_ms = UNIX_MS;
    saved.push(saved[0].clone());
    saved[1].agent = "nemo".into();
    saved[1].expires_unix_ms = UNIX_MS + 60_000;
    let mut scene = Scene::seeded(ONE_REGISTERS, 2);
    scene.run(|machine, now| machine.restore(saved, now));
    assert_eq!(scene.removed.len(), 2);
    scene.call("call-1");
    scene.expect(182);
}

// B1, G1
#[test]
fn an_agent_in_a_call_from_before_the_restart_is_not_called_until_it_ends() {
    let mut before = registered();
    before.call("call-1");
    let transfer = before.expect_transfer("anna");
    before.answer(&transfer, 200);
    before.expect(200);

    let mut scene = Scene::seeded(ONE_REGISTERS, 2);
    let target = &transfer.target;
    let session = SessionView {
        id: "session-1".into(),
        contact: target.contact.clone(),
        offer: target.offer.clone(),
        agent: "anna".into(),
        agent_uri: target.agent_uri.clone(),
        client_uri: "sip:alice@192.0.2.10".into(),
        state: SessionState::Established,
        started_unix_ms: UNIX_MS - 5_000,
        answered_unix_ms: Some(UNIX_MS - 4_000),
        pairs: Vec::new(),
    };
    let list = SessionList {
        instance: "i".into(),
        cursor: 4,
        sessions: vec![session],
    };
    let asked = tokio::time::Instant::from_std(scene.now().at);
    scene.run(|machine, now| machine.restore(before.saved, now));
    scene.link(LinkReport::List {
        relay: 0,
        asked,
        list,
    });
    assert_eq!(scene.events_named("contact_adopted").len(), 1);
    scene.call("call-2");
    scene.expect(182);
    scene.expect_nothing();

    let of = SessionRef {
        session: "session-1".into(),
        contact: target.contact.clone(),
        offer: target.offer.clone(),
        agent: "anna".into(),
    };
    let ended = Ended {
        of,
        by: EndedBy::Client,
        cause: EndCause::Bye,
        answered: true,
        talk_ms: 9_000,
        notice: Default::default(),
        pairs: Vec::new(),
    };
    let event = RelayEvent {
        cursor: 5,
        unix_ms: UNIX_MS,
        event: SessionEvent::Ended(ended),
    };
    let event = event.into();
    scene.link(LinkReport::Event { relay: 0, event });
    assert_eq!(scene.events_named("contact_ended").len(), 1);
    assert_eq!(
        scene.expect_transfer("anna").invite.call_id().unwrap(),
        "call-2"
    );
}
