//! rsip 0.4 as an oracle on plain messages, and what it gets wrong: the reason why nothing from the
//! network reaches its tokenizers. Each gap is asserted to be there still, so that the day it is mended
//! is noticed.

use crate::{parse, with};
use patchbay_sip::{Message, Uri};
use rsip::prelude::*;
use std::panic::catch_unwind;

fn theirs(text: &str) -> Option<rsip::SipMessage> {
    let bytes = text.replace('\n', "\r\n").into_bytes();
    catch_unwind(|| rsip::SipMessage::try_from(bytes.as_slice()).ok())
        .ok()
        .flatten()
}

/// Where rsip reads a message, it reads what we read.
#[test]
fn plain_messages_are_read_alike() {
    for text in [
        with(
            "INVITE sip:bob@example.com SIP/2.0",
            "Contact: <sip:alice@192.0.2.1:5060>\nContent-Length: 0\n",
        ),
        with(
            "OPTIONS sip:example.com:5070;transport=tcp SIP/2.0",
            "Content-Length: 0\n",
        ),
        with(
            "REGISTER sip:example.com SIP/2.0",
            "Expires: 60\nContact: <sip:a@b>\nContent-Length: 0\n",
        ),
    ] {
        let (ours, theirs) = (parse(&text).unwrap(), theirs(&text).unwrap());
        let rsip::SipMessage::Request(request) = &theirs else {
            panic!("{text}")
        };
        assert_eq!(ours.method().unwrap().as_str(), request.method.to_string());
        // rsip writes the transport in capitals.
        let (our_uri, their_uri) = (Uri::parse(ours.uri().unwrap()), request.uri.to_string());
        assert!(
            our_uri
                .unwrap()
                .equivalent(&Uri::parse(&their_uri).unwrap()),
            "{their_uri}"
        );
        assert_eq!(
            ours.call_id().unwrap(),
            theirs.call_id_header().unwrap().value()
        );
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        assert_eq!(ours.cseq().unwrap().number, cseq.seq);
        let from = theirs.from_header().unwrap().typed().unwrap();
        assert_eq!(ours.from().unwrap().uri.to_string(), from.uri.to_string());
        assert_eq!(ours.from_tag(), from.tag().map(|tag| tag.value().into()));
        let via = theirs.via_header().unwrap().typed().unwrap();
        assert_eq!(
            ours.top_via().unwrap().branch(),
            via.branch().map(|branch| branch.value())
        );
    }
}

fn their_uri(text: &str) -> Option<rsip::Uri> {
    let text = text.to_owned();
    catch_unwind(move || rsip::Uri::try_from(text).ok())
        .ok()
        .flatten()
}

/// Users with a dot are lost or refused.
#[test]
fn a_dotted_user_is_lost() {
    let text = "sip:john.doe@example.com";
    assert_eq!(Uri::parse(text).unwrap().user.as_deref(), Some("john.doe"));
    let user = their_uri(text)
        .and_then(|uri| uri.auth)
        .map(|auth| auth.user);
    assert_ne!(user.as_deref(), Some("john.doe"), "rsip is mended");
}

/// IPv6 hosts and telephone numbers do not come out as they went in.
#[test]
fn ipv6_and_telephone_numbers_fail() {
    for text in ["sip:a@[2001:db8::1]:5061", "tel:+41441234567"] {
        assert_eq!(Uri::parse(text).unwrap().to_string(), text);
        let same = their_uri(text).is_some_and(|uri| uri.to_string() == text);
        assert!(!same, "rsip is mended: {text}");
    }
}

/// Whole messages that are sound, and that rsip refuses.
#[test]
fn sound_messages_are_refused() {
    let extension = with("PING sip:b@example.com SIP/2.0", "");
    let folded = with("OPTIONS sip:b@example.com SIP/2.0", "Subject: one\n two\n");
    assert!(parse(&extension).is_ok() && parse(&folded).is_ok());
    assert!(
        theirs(&extension).is_none(),
        "rsip is mended: extension methods"
    );
    let unfolded =
        theirs(&folded).is_some_and(|message| message.to_string().contains("Subject: one two"));
    assert!(!unfolded, "rsip is mended: folding");
}

/// A Contact with an instance (RFC 5626) cannot be read.
#[test]
fn an_instance_in_contact_fails() {
    let contact = "<sip:a@192.0.2.1>;reg-id=1;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"";
    let text = with(
        "REGISTER sip:example.com SIP/2.0",
        &format!("Contact: {contact}\n"),
    );
    let ours = parse(&text).unwrap().contacts().unwrap();
    let instance = ours
        .first()
        .unwrap()
        .params
        .unquoted("+sip.instance")
        .unwrap();
    assert_eq!(instance, "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>");
    let whole = theirs(&text).and_then(|message| {
        let header = message.contact_header().ok()?.clone();
        catch_unwind(move || header.typed().ok().map(|typed| typed.to_string()))
            .ok()
            .flatten()
    });
    assert!(
        !whole.is_some_and(|text| text.contains("+sip.instance=\"<urn")),
        "rsip is mended"
    );
}

/// Latin-1 in a header makes the message unreadable; a binary body is changed on output.
#[test]
fn bytes_that_are_not_utf8_fail() {
    let text =
        with("MESSAGE sip:b@example.com SIP/2.0", "Content-Length: 2\n").replace('\n', "\r\n");
    let binary = [text.as_bytes(), b"\xff\xfe"].concat();
    let ours = Message::parse(binary.clone().into()).unwrap();
    assert!(ours.encode().ends_with(b"\xff\xfe"));
    let out = catch_unwind(|| rsip::SipMessage::try_from(binary.as_slice()).ok())
        .ok()
        .flatten();
    let kept = out.is_some_and(|message| Vec::from(message.to_string()).ends_with(b"\xff\xfe"));
    assert!(!kept, "rsip is mended: binary bodies");

    let mut latin1 = text.replace("From: ", "From: \"M?ller\" ").into_bytes();
    let at = latin1.iter().position(|byte| *byte == b'?').unwrap();
    latin1[at] = 0xfc;
    latin1.extend_from_slice(b"ab");
    assert!(Message::parse(latin1.clone().into()).is_ok());
    let out = catch_unwind(|| rsip::SipMessage::try_from(latin1.as_slice()).is_ok());
    assert!(!out.unwrap_or(false), "rsip is mended: Latin-1 headers");
}
