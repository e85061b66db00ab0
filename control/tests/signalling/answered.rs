//! A call is transferred to the first free agent, rings, and is answered (A4, A5, B1, B2).
use crate::support::{Scene, TWO_AGENTS, vias};
use patchbay_route::transfer::Carrier;
use patchbay_sip::{HeaderName, Message};

in_each_form!(
    the_answer_of_the_agent_reaches_the_caller,
    a_second_caller_gets_the_other_agent,
);

// A4, A5, B1, B2
fn the_answer_of_the_agent_reaches_the_caller(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    let invite = scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    assert_eq!(transfer.target.agent_uri, "sip:anna@198.51.100.1:5090");
    assert_eq!(transfer.target.path, None);
    forwarded_as_a_proxy_does(&invite, &transfer.invite);

    scene.answer(&transfer, 180);
    let ringing = scene.expect(180);
    assert_eq!(vias(&ringing), vias(&invite), "our Via is taken off");
    assert_eq!(ringing.to_tag().as_deref(), Some(transfer.to_tag.as_str()));

    scene.answer(&transfer, 200);
    let ok = scene.expect(200);
    assert_eq!(vias(&ok), vias(&invite));
    assert_eq!(ok.body, transfer.response(200).body);
    assert_eq!(
        ok.headers.get(HeaderName::Contact),
        Some("<sip:192.0.2.1:5060>")
    );
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);

    // Lost on the way: the relay repeats its 2xx until the caller's ACK.
    scene.answer(&transfer, 200);
    assert_eq!(scene.expect(200).body, ok.body);

    // Nothing is left of the call when no transaction can bring anything more.
    scene.seconds(60);
    scene.expect_nothing();
    assert_eq!(scene.machine.signalling().calls(), 0);
    assert!(scene.machine.signalling().layer().is_empty());
}

fn forwarded_as_a_proxy_does(invite: &Message, forwarded: &Message) {
    for name in [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ] {
        assert_eq!(
            forwarded.headers.get(name.clone()),
            invite.headers.get(name)
        );
    }
    assert_eq!(forwarded.body, invite.body);
    assert_eq!(forwarded.max_forwards(), Some(68));
    assert_eq!(vias(forwarded).get(1..), Some(vias(invite).as_slice()));
    assert!(forwarded.expires().unwrap() > 20);
    assert!(!forwarded.headers.contains(HeaderName::RecordRoute));
}

// A5: two callers, two agents, each their own.
fn a_second_caller_gets_the_other_agent(form: Carrier) {
    let mut scene = Scene::by(form, TWO_AGENTS);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.call("call-2");
    let second = scene.expect_transfer("bert");
    scene.answer(&second, 200);
    assert_eq!(scene.expect(200).call_id().unwrap(), "call-2");
    scene.answer(&first, 200);
    assert_eq!(scene.expect(200).call_id().unwrap(), "call-1");
}
