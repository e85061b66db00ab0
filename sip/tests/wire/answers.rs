use crate::{parse, with};
use patchbay_sip::Message;

/// What an answer copies (RFC 3261 section 8.2.6.2), and that a 400 needs no whole message.
#[test]
fn answers_copy_what_they_must() {
    let extra = "Via: SIP/2.0/TCP two;branch=z9hG4bK2\nRecord-Route: <sip:p;lr>\nTimestamp: 54\nSubject: x\n";
    let invite = parse(&with("INVITE sip:b@h SIP/2.0", extra)).unwrap();
    let mut ringing = Message::response_to(&invite, 180, "");
    ringing.set_to_tag("x");
    ringing.set_to_tag("y");
    assert_eq!(ringing.headers.get("To"), Some("<sip:b@example.com>;tag=x"));
    assert_eq!(ringing.headers.all("Via").count(), 2);
    assert!(ringing.headers.contains("Record-Route"));
    assert!(!ringing.headers.contains("Timestamp") && !ringing.headers.contains("Subject"));
    let trying = Message::response_to(&invite, 100, "");
    assert!(trying.headers.contains("Timestamp") && !trying.headers.contains("Record-Route"));
    assert!(
        !Message::response_to(&invite, 486, "")
            .headers
            .contains("Record-Route")
    );

    let broken = parse(&with("INVITE <sip:b> SIP/2.0", extra)).unwrap_err();
    let answer = broken.answer().unwrap();
    assert_eq!(answer.status(), Some(400));
    assert_eq!(answer.headers.all("Via").count(), 2);
    assert!(Message::parse(answer.encode()).is_ok());
}

/// No value can begin a header of its own.
#[test]
fn values_cannot_smuggle_headers() {
    let mut message = parse(&with("OPTIONS sip:b@h SIP/2.0", "")).unwrap();
    message
        .headers
        .push("Subject", "x\r\nX-Evil: 1\nX-Worse: 2");
    message.headers.push("Bad Name:\r\nX-Evil", "y");
    message.set_uri("sip:b@h SIP/2.0\r\nX-Evil: 3");
    let again = Message::parse(message.encode()).unwrap();
    assert!(!again.headers.contains("X-Evil") && !again.headers.contains("X-Worse"));
    assert_eq!(
        again.headers.get("Subject"),
        Some("x  X-Evil: 1 X-Worse: 2")
    );
}
