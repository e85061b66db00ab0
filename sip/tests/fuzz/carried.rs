//! Bodies of type `message/sip`: what comes out of an envelope is one whole message, and goes into another
//! envelope unchanged.

use bytes::Bytes;
use patchbay_sip::Message;
use patchbay_sip::carried::{CarryError, envelope, is_envelope, open};
use patchbay_sip::limits::MAX_BODY_BYTES;

use crate::mutate::{by_bytes, mutated};
use crate::seeds::SEEDS;

#[test]
fn envelopes() {
    let sealed: Vec<Vec<u8>> = SEEDS.iter().map(|seed| seal(seed).to_vec()).collect();
    target!("envelopes", 4_000, |input: &[u8]| {
        holds(&seal(input));
        let mut choices = by_bytes(input);
        holds(&mutated(&mut choices, &sealed));
        holds(&seal(&mutated(&mut choices, &SEEDS)));
    });
}

fn seal(inner: &[u8]) -> Bytes {
    let sealed = envelope(
        Bytes::copy_from_slice(inner),
        "sip:a.invalid",
        "sip:b.invalid",
        "name",
    );
    let mut sealed = sealed.expect("short enough");
    let via = "SIP/2.0/TCP a.invalid;branch=z9hG4bKname";
    sealed.headers.push_front("Via", via);
    sealed.encode()
}

fn holds(bytes: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    if !is_envelope(&message) {
        return;
    }
    let inner = match open(&message) {
        Ok(inner) => inner,
        Err(CarryError::TooLong) => panic!("only what is sent can be too long"),
        Err(_) => return,
    };
    assert!(!inner.has_content_type("message/sip"), "one in one");
    let again = inner.encode();
    if again.len() > MAX_BODY_BYTES {
        return;
    }
    let sealed = envelope(again, "sip:a.invalid", "sip:b.invalid", "name");
    let reopened = open(&sealed.expect("short enough"));
    // A line at its limit may be beyond it once it is written in full.
    if let Ok(reopened) = reopened {
        assert_eq!(reopened, inner);
    }
}
