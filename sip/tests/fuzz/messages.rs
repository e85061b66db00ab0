//! The lexer, and everything that can be asked of a message.

use bytes::Bytes;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{MAX_HEADERS, MAX_LINE, MAX_MESSAGE_BYTES, Message, Method, Transport};

use crate::mutate::{by_bytes, mutated};
use crate::seeds::SEEDS;

#[test]
fn messages() {
    target!("messages", 8_000, |input: &[u8]| {
        holds(input);
        holds(&mutated(&mut by_bytes(input), &SEEDS));
    });
}

fn holds(bytes: &[u8]) {
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Ok(message) => {
            ask(&message);
            bounded(&message);
            fixpoint(&message);
        }
        Err(error) => {
            if let Some(readable) = error.readable() {
                ask(readable);
                bounded(readable);
            }
            assert!([400, 505, 513].contains(&error.status()));
            let flow = flow();
            assert_eq!(error.answer().is_some(), {
                let ack = error.readable().and_then(Message::method) == Some(&Method::Ack);
                let request = error.readable().is_some_and(Message::is_request);
                let cseq = |message: &Message| message.headers.contains("CSeq");
                let numbered = error.readable().is_some_and(cseq);
                request && !ack && numbered && error.answer_on(flow).is_some()
            });
            if let Some(answer) = error.answer() {
                let text = answer.encode();
                assert!(text.starts_with(format!("SIP/2.0 {} ", error.status()).as_bytes()));
                assert!(answer.headers.contains("Via"));
            }
        }
    }
}

fn flow() -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.2:5060".parse().unwrap(),
        connection: 0,
    }
}

fn ask(message: &Message) {
    let _ = (message.call_id(), message.cseq(), message.from());
    let _ = (message.to(), message.top_via(), message.contacts());
    let _ = (message.max_forwards(), message.expires());
    let _ = (message.content_type(), message.has_content_type("a/b"));
    let mut changed = message.clone();
    changed.set_to_tag("t");
    for name in ["Via", "Route", "Contact", "X"] {
        let count = changed.headers.all_split(name).count();
        assert!(count <= MAX_MESSAGE_BYTES);
        changed.headers.set_first(name, "x");
        let mut removed = 0;
        while changed.headers.remove_first(name).is_some() {
            removed += 1;
            assert!(
                removed <= MAX_MESSAGE_BYTES,
                "every removal takes something"
            );
        }
    }
    for status in [100, 180, 200, 486] {
        let response = Message::response_to(message, status, "");
        assert_eq!(response.status(), Some(status));
        response.encode();
    }
}

fn bounded(message: &Message) {
    assert!(message.headers.len() <= MAX_HEADERS);
    assert!(message.body.len() <= MAX_MESSAGE_BYTES);
    for (name, value) in message.headers.iter() {
        assert!(name.as_str().len() + value.wire().len() <= 2 * MAX_LINE);
    }
}

/// What was read is written so that it reads the same, unless writing takes it over a limit: compact
/// names become long ones, and Content-Length is added.
fn fixpoint(message: &Message) {
    let wire = message.encode();
    let near = |value: &[u8]| value.len() + 64 > MAX_LINE;
    let at_limit = wire.len() > MAX_MESSAGE_BYTES
        || message.headers.len() + 1 > MAX_HEADERS
        || message.headers.iter().any(|(_, value)| near(value.wire()))
        || message.uri().is_some_and(|uri| near(uri.as_bytes()));
    if at_limit {
        return;
    }
    let again = Message::parse(wire.clone());
    let again = again.unwrap_or_else(|error| panic!("{error}: {wire:?}"));
    assert_eq!(&again, message, "{wire:?}");
    assert_eq!(again.encode(), wire);
}
