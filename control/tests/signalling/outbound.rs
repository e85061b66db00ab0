//! Registrations by flow and the names of single devices (RFC 5626, RFC 5627, RFC 3608).
use crate::support::{ONE_REGISTERS, Scene};
use patchbay_sip::{HeaderName, Message};

const URN: &str = "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF";

fn contact(host: &str, rest: &str) -> String {
    format!("<sip:anna@{host}:5090>;+sip.instance=\"<{URN}>\"{rest}")
}

/// Registers with these option tags and gives the answer.
fn register(scene: &mut Scene, contact: &str, tags: &str, cseq: u32) -> Message {
    let mut request = scene.register_request("anna", Some(contact), cseq);
    request.headers.push(HeaderName::Supported, tags);
    scene.register(request, "anna", "open sesame")
}

fn contacts(answer: &Message) -> Vec<&str> {
    answer.headers.all(HeaderName::Contact).collect()
}

// A5; RFC 5626 section 6
#[test]
fn a_flow_is_replaced_by_itself_and_the_other_flow_of_the_phone_stays() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let one = contact("198.51.100.1", ";reg-id=1");
    let ok = register(&mut scene, &one, "path, outbound", 1);
    assert_eq!(ok.status(), Some(200));
    assert!(ok.headers.lists(HeaderName::Require, "outbound"));
    assert_eq!(
        ok.headers.get(HeaderName::FlowTimer),
        Some("25"),
        "over UDP"
    );
    let listed = "<sip:anna@198.51.100.1:5090>;expires=3600";
    let instance = format!("+sip.instance=\"<{URN}>\"");
    assert_eq!(contacts(&ok), [format!("{listed};{instance};reg-id=1")]);

    // The same Contact over a second flow is a second binding.
    let two = contact("198.51.100.1", ";reg-id=2");
    assert_eq!(
        contacts(&register(&mut scene, &two, "outbound", 3)).len(),
        2
    );
    scene.seconds(1);
    // After a restart the phone has another address: its first flow is replaced.
    let moved = contact("203.0.113.7", ";reg-id=1");
    let ok = register(&mut scene, &moved, "outbound", 5);
    let now = contacts(&ok);
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(
        now.iter()
            .any(|c| c.contains("203.0.113.7") && c.ends_with("reg-id=1"))
    );
    assert!(
        now.iter()
            .any(|c| c.contains("198.51.100.1") && c.ends_with("reg-id=2"))
    );

    // One device with two flows is called once, and by the other flow when the first is gone.
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    assert_eq!(first.target.agent_uri, "sip:anna@203.0.113.7:5090");
    scene.expect_nothing();
    scene.refuse(&first, 430);
    let second = scene.expect_transfer("anna");
    assert_eq!(second.target.agent_uri, "sip:anna@198.51.100.1:5090");
    assert_eq!(scene.removed.len(), 1);
    assert_eq!(scene.removed[0].reg_id, Some(1));
}

// RFC 5626 sections 4.2 and 6
#[test]
fn what_is_no_registration_by_flow_is_told_so_or_passed_over() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let flow = contact("198.51.100.1", ";reg-id=1");
    let mut request = scene.register_request("anna", Some(&flow), 1);
    request.headers.push(HeaderName::Supported, "outbound");
    // A proxy in front of the edge that knows nothing of flows.
    request
        .headers
        .push(HeaderName::Path, "<sip:old-proxy.example;lr>");
    let refused = scene.register(request, "anna", "open sesame");
    assert_eq!(refused.status(), Some(439));
    assert!(scene.saved.is_empty());

    let several = format!("{flow}, {}", contact("198.51.100.2", ";reg-id=2"));
    for (contact, status) in [
        (several.as_str(), 400),
        (contact("198.51.100.1", ";reg-id=0").as_str(), 400),
    ] {
        let answer = register(&mut scene, contact, "outbound", 10);
        assert_eq!(answer.status(), Some(status), "{contact}");
    }
    for (contact, tags, cseq) in [
        (flow.as_str(), "path", 20),
        ("<sip:anna@198.51.100.1:5090>;reg-id=1", "outbound", 30),
    ] {
        let ok = register(&mut scene, contact, tags, cseq);
        assert_eq!(ok.status(), Some(200));
        assert!(!ok.headers.contains(HeaderName::Require), "{tags}");
        assert!(!contacts(&ok)[0].contains("reg-id"));
    }
    assert_eq!(
        scene.machine.signalling().registrar().counters().first_hop,
        1
    );
}

// RFC 3608 section 6.2
#[test]
fn the_answer_leads_the_phone_back_to_the_edge_that_it_came_by() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let ok = register(&mut scene, "<sip:anna@198.51.100.1>", "path", 1);
    let route = ok.headers.get(HeaderName::ServiceRoute);
    assert_eq!(route, Some("<sip:192.0.2.1;lr>"));
}

fn gruu(answer: &Message, kind: &str) -> Option<String> {
    let contact = patchbay_sip::NameAddr::parse(contacts(answer).first()?).ok()?;
    Some(contact.params.unquoted(kind)?.into_owned())
}

// A5; RFC 5627 section 5.3
#[test]
fn a_phone_that_asks_for_names_of_its_own_gets_them() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let contact = contact("198.51.100.1", "");
    let without = register(&mut scene, &contact, "path", 1);
    assert_eq!(gruu(&without, "pub-gruu"), None);
    let ok = register(&mut scene, &contact, "gruu", 3);
    let public = gruu(&ok, "pub-gruu").unwrap();
    assert_eq!(public, format!("sip:anna@patchbay.example;gr={URN}"));
    let temporary = gruu(&ok, "temp-gruu").unwrap();
    let again = register(&mut scene, &contact, "gruu", 5);
    let second = gruu(&again, "temp-gruu").unwrap();
    assert_ne!(temporary, second);
    let registrar = scene.machine.signalling().registrar();
    let anna = Some(("anna".to_owned(), URN.to_owned()));
    for name in [&public, &temporary, &second] {
        let uri = patchbay_sip::Uri::parse(name).unwrap();
        assert_eq!(registrar.named_by(&uri), anna, "{name}");
        assert!(registrar.device_of(&uri).is_some());
    }

    // Another Call-ID, and the temporary names of before are void (section 4.2).
    let mut request = scene.register_request("anna", Some(&contact), 1);
    request.headers.set(HeaderName::CallId, "restarted");
    request.headers.push(HeaderName::Supported, "gruu");
    let ok = scene.register(request, "anna", "open sesame");
    let third = gruu(&ok, "temp-gruu").unwrap();
    let registrar = scene.machine.signalling().registrar();
    for (name, holds) in [(&temporary, false), (&third, true), (&public, true)] {
        let uri = patchbay_sip::Uri::parse(name).unwrap();
        assert_eq!(registrar.device_of(&uri).is_some(), holds, "{name}");
    }

    // Bindings, and the names with them, hold over a restart.
    let stored = scene.saved.last().unwrap().clone();
    let mut after = Scene::seeded(ONE_REGISTERS, 2);
    after.run(|machine, now| machine.restore(vec![stored], now));
    let registrar = after.machine.signalling().registrar();
    let uri = patchbay_sip::Uri::parse(&third).unwrap();
    assert_eq!(registrar.named_by(&uri), anna);
}

fn call(scene: &mut Scene, uri: &str, call_id: &str) {
    let mut invite = scene.invite(call_id);
    invite.set_uri(uri);
    scene.receive(&invite);
}

// A5; RFC 5627 section 5.4
#[test]
fn a_call_to_a_name_goes_to_that_device_or_to_none() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let named = contact("198.51.100.1", ";q=0.1");
    let ok = register(&mut scene, &named, "gruu", 1);
    let (public, temporary) = (gruu(&ok, "pub-gruu"), gruu(&ok, "temp-gruu"));
    let (public, temporary) = (public.unwrap(), temporary.unwrap());
    // Her other device is the one that she would rather be called at.
    let mut request = scene.register_request("anna", Some("<sip:anna@198.51.100.2>"), 3);
    request.headers.set(HeaderName::CallId, "other");
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );

    call(&mut scene, &temporary, "call-1");
    let rings = scene.expect_transfer("anna");
    assert_eq!(rings.target.agent_uri, "sip:anna@198.51.100.1:5090");
    // She has a call already, and there is nobody else to wait for.
    call(&mut scene, &public, "call-2");
    scene.expect(480);
    // It fails there: no other device is tried.
    scene.refuse(&rings, 486);
    scene.expect(480);
    scene.expect_nothing_but_repeats(480);
    assert_eq!(scene.machine.signalling().open_calls(), 0);
    let reasons: Vec<_> = scene.events_named("contact_refused");
    assert!(
        reasons
            .iter()
            .all(|event| event["why"] == "agent_unavailable"),
        "{reasons:?}"
    );

    for (uri, status) in [
        ("sip:anna@patchbay.example;gr=urn:uuid:unknown", 480),
        ("sip:tgruu.00@patchbay.example;gr", 404),
        ("sip:anna@patchbay.example;gr", 404),
    ] {
        call(&mut scene, uri, uri);
        scene.expect(status);
    }
}
