//! What cannot be read gets the answer that fits, or is dropped and counted; never more.
use crate::support::{Scene, TWO_AGENTS};
use patchbay_control::signalling::Drop;

fn invite(extra: &str) -> String {
    format!(
        "INVITE sip:support@example.com SIP/2.0\r\n\
         Via: SIP/2.0/TCP 127.0.0.1:40001;branch=z9hG4bKbad\r\n\
         Max-Forwards: 69\r\nFrom: <sip:a@example.net>;tag=a\r\nTo: <sip:support@example.com>\r\n\
         Call-ID: bad-1\r\n{extra}\r\n"
    )
}

#[test]
fn an_invite_that_contradicts_itself_is_answered_400() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.receive_bytes(invite("CSeq: 1 OPTIONS\r\n"));
    let answer = scene.expect(400);
    assert_eq!(answer.call_id().unwrap(), "bad-1");
    scene.expect_nothing();
    assert_eq!(
        scene
            .machine
            .signalling()
            .counters()
            .dropped(Drop::Malformed),
        1
    );
}

#[test]
fn another_version_is_answered_505() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.receive_bytes(invite("CSeq: 1 INVITE\r\n").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"));
    scene.expect(505);
}

#[test]
fn a_session_description_that_cannot_be_read_is_answered_400() {
    let mut scene = Scene::new(TWO_AGENTS);
    let mut invite = scene.invite("call-1");
    invite.set_body("application/sdp", "v=zero");
    scene.receive(&invite);
    scene.expect(400);
    assert_eq!(
        scene.machine.signalling().counters().dropped(Drop::BadBody),
        1
    );
}

#[test]
fn a_body_of_another_kind_is_answered_415_with_what_would_do() {
    let mut scene = Scene::new(TWO_AGENTS);
    let mut invite = scene.invite("call-1");
    invite.set_body("text/html", "<p>hello");
    scene.receive(&invite);
    assert_eq!(
        scene.expect(415).headers.get("Accept"),
        Some("application/sdp")
    );
}

#[test]
fn noise_is_counted_and_not_answered() {
    let mut scene = Scene::new(TWO_AGENTS);
    scene.receive_bytes("hello\r\n\r\n");
    scene.receive_bytes(invite("CSeq: 1 INVITE\r\n").replace("Via: SIP", "Via: XYZ"));
    scene.expect_nothing();
    assert_eq!(
        scene
            .machine
            .signalling()
            .counters()
            .dropped(Drop::Unreadable),
        2
    );
}
