//! An agent's answer and a CANCEL meet on the way.
use crate::support::{Scene, TWO_AGENTS, Transfer};
use patchbay_control::link::LinkReport;
use patchbay_control::node::Ending;
use patchbay_control::signalling::Drop;
use patchbay_route::session::{RelayEvent, SessionEvent, SessionRef};
use patchbay_route::transfer::Carrier;

in_each_form!(
    the_callers_cancel_crosses_the_answer_and_the_caller_gets_the_answer_to_hang_up,
    our_cancel_crosses_the_answer_and_the_caller_who_waits_is_connected_once,
    an_answer_after_the_caller_was_refused_ends_on_the_relay,
);

// B6
fn the_callers_cancel_crosses_the_answer_and_the_caller_gets_the_answer_to_hang_up(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    let invite = scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 180);
    scene.expect(180);
    scene.cancel(&invite);
    scene.expect_cancel(&transfer);
    scene.answer(&transfer, 200);
    let ok = scene.expect(200);
    assert_eq!(ok.to_tag().as_deref(), Some(transfer.to_tag.as_str()));
    scene.expect_nothing();
    assert_eq!(scene.ended, [], "the caller's BYE ends it");
    // A repeated one is passed on too, and nothing else follows.
    scene.answer(&transfer, 200);
    scene.expect(200);
    scene.seconds(120);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);
    assert_eq!(scene.events_named("contact_connected").len(), 0);
}

fn our_cancel_crosses_the_answer_and_the_caller_who_waits_is_connected_once(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.answer(&first, 180);
    scene.expect(180);
    scene.seconds(21);
    scene.expect_cancel(&first);
    let second = scene.expect_transfer("bert");
    scene.answer(&first, 200);
    assert_eq!(
        scene.expect(200).to_tag().as_deref(),
        Some(first.to_tag.as_str())
    );
    assert_eq!(scene.events_named("contact_connected").len(), 1);
    scene.expect_cancel(&second);
    // This one answers too: it is not for the caller, and ends on the relay as soon as the relay
    // has told its name.
    scene.answer(&second, 200);
    scene.expect_nothing();
    assert_eq!(
        scene
            .machine
            .signalling()
            .counters()
            .dropped(Drop::LateAnswer),
        1
    );
    assert!(scene.ended.is_empty());
    scene.link(started(&second));
    assert_eq!(scene.ended.len(), 1);
    assert_eq!(scene.ended[0].session, "session-1");
}

fn an_answer_after_the_caller_was_refused_ends_on_the_relay(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    scene.answer(&transfer, 180);
    scene.expect(180);
    scene.link(started(&transfer));
    let contact = transfer.target.contact.parse().unwrap();
    scene.run(|machine, now| assert_eq!(machine.end_contact(contact, now), Ending::Refused));
    scene.expect(480);
    scene.expect_cancel(&transfer);
    scene.answer(&transfer, 200);
    scene.expect_nothing();
    assert_eq!(scene.ended.len(), 1);
    assert_eq!(scene.ended[0].session, "session-1");
}

fn started(transfer: &Transfer) -> LinkReport {
    let of = SessionRef {
        session: "session-1".into(),
        contact: transfer.target.contact.clone(),
        offer: transfer.target.offer.clone(),
        agent: transfer.target.agent_id.clone(),
    };
    let event = RelayEvent {
        cursor: 1,
        unix_ms: 1,
        event: SessionEvent::Started(of),
    };
    LinkReport::Event {
        relay: 0,
        event: event.into(),
    }
}
