//! Every request gets the answer that the RFC asks for.
use crate::support::{Scene, TWO_AGENTS};
use patchbay_control::signalling::Drop;
use patchbay_sip::{HeaderName, Message, Method};

fn ask(scene: &mut Scene, method: Method) -> Message {
    let request = scene.request(method, "sip:support@example.com", "ask-1", 1);
    scene.receive(&request);
    scene.next().unwrap()
}

// RFC 3261 section 11.2
#[test]
fn options_tells_what_can_be_done() {
    let mut scene = Scene::new(TWO_AGENTS);
    let answer = ask(&mut scene, Method::Options);
    assert_eq!(answer.status(), Some(200));
    assert!(answer.headers.lists(HeaderName::Allow, "INVITE"));
    assert_eq!(
        answer.headers.get(HeaderName::Accept),
        Some("application/sdp")
    );
    assert!(answer.headers.contains(HeaderName::Supported));
    assert!(answer.to_tag().is_some());
}

// RFC 3261 sections 8.2.1, 21.5.2
#[test]
fn other_methods_are_refused_with_what_is_allowed() {
    let mut scene = Scene::new(TWO_AGENTS);
    for (method, status) in [
        (Method::Subscribe, 405),
        (Method::Publish, 405),
        (Method::Message, 405),
        (Method::Refer, 405),
        (Method::from("FROBNICATE"), 501),
        (Method::Bye, 481),
        (Method::Info, 481),
        (Method::Update, 481),
        (Method::Prack, 481),
        (Method::Notify, 481),
    ] {
        let answer = ask(&mut scene, method.clone());
        assert_eq!(answer.status(), Some(status), "{}", method.as_str());
        assert_eq!(answer.headers.contains(HeaderName::Allow), status != 481);
    }
    assert_eq!(
        scene.machine.signalling().counters().dropped(Drop::Method),
        5
    );
    assert_eq!(
        scene
            .machine
            .signalling()
            .counters()
            .dropped(Drop::NoDialog),
        5
    );
}

#[test]
fn in_dialog_requests_that_stray_here_are_answered_481_and_acks_are_counted() {
    let mut scene = Scene::new(TWO_AGENTS);
    for method in [
        Method::Invite,
        Method::Bye,
        Method::Options,
        Method::Register,
    ] {
        let mut request = scene.request(method, "sip:support@example.com", "stray", 5);
        request
            .headers
            .set(HeaderName::To, "<sip:support@example.com>;tag=elsewhere");
        scene.receive(&request);
        scene.expect(481);
    }
    let ack = scene.request(Method::Ack, "sip:support@example.com", "stray", 5);
    scene.receive(&ack);
    scene.expect_nothing();
    assert_eq!(
        scene
            .machine
            .signalling()
            .counters()
            .dropped(Drop::StrayAck),
        1
    );
}

#[test]
fn a_cancel_for_nothing_is_answered_481() {
    let mut scene = Scene::new(TWO_AGENTS);
    assert_eq!(ask(&mut scene, Method::Cancel).status(), Some(481));
}

// RFC 3261 sections 16.3, 8.2.2.3
#[test]
fn hops_and_extensions_are_checked() {
    let mut scene = Scene::new(TWO_AGENTS);
    let mut spent = scene.invite("call-1");
    spent.headers.set(HeaderName::MaxForwards, "0");
    scene.receive(&spent);
    scene.expect(483);
    let mut needs = scene.invite("call-2");
    needs.headers.push(HeaderName::ProxyRequire, "teleport");
    scene.receive(&needs);
    assert_eq!(
        scene.expect(420).headers.get(HeaderName::Unsupported),
        Some("teleport")
    );
    scene.expect_nothing();
}
