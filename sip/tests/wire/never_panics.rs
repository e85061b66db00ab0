//! Nothing from the network may panic, whatever it is.

use bytes::Bytes;
use patchbay_sip::digest::{Algorithm, Authority, Challenge, Credentials};
use patchbay_sip::sdp::Sdp;
use patchbay_sip::{
    CSeq, Headers, Message, Method, NameAddr, Params, Uri, Via, split_commas, unquote,
};
use proptest::prelude::*;

/// Text rich in the characters that parsers trip over.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("sip:".to_owned()),
        Just("tel:".to_owned()),
        Just("SIP/2.0/UDP ".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("<".to_owned()),
        Just(">".to_owned()),
        Just(";".to_owned()),
        Just("=".to_owned()),
        Just(",".to_owned()),
        Just("@".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(":".to_owned()),
        Just("%4".to_owned()),
        Just("?".to_owned()),
        Just("&".to_owned()),
        Just("\r\n ".to_owned()),
        Just("Digest ".to_owned()),
        Just("nonce=".to_owned()),
        Just("ü".to_owned()),
        "[a-z0-9 ]{0,6}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// A message that is nearly sound.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b"Via: SIP/2.0/UDP h;branch=z9hG4bK1".to_vec()),
        Just(b"From: <sip:a@b>;tag=1".to_vec()),
        Just(b"To: <sip:a@b>".to_vec()),
        Just(b"Call-ID: 1".to_vec()),
        Just(b"CSeq: 1 INVITE".to_vec()),
        Just(b"Content-Length: 3".to_vec()),
        Just(b"\t folded".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
        nasty().prop_map(|text| format!("Contact: {text}").into_bytes()),
    ];
    (proptest::collection::vec(line, 0..14), any::<bool>()).prop_map(|(lines, request)| {
        let first: &[u8] = if request {
            b"INVITE sip:a SIP/2.0"
        } else {
            b"SIP/2.0 200 OK"
        };
        let mut out = first.to_vec();
        for line in lines {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&line);
        }
        out.extend_from_slice(b"\r\n\r\nabc");
        out
    })
}

fn use_all(message: &Message) {
    let _ = (
        message.call_id(),
        message.cseq(),
        message.from(),
        message.to(),
        message.top_via(),
    );
    let _ = (
        message.contacts(),
        message.max_forwards(),
        message.expires(),
        message.content_type(),
    );
    let _ = Message::parse(message.encode());
    let mut headers: Headers = message.headers.clone();
    while headers.remove_first("Via").is_some() {}
}

proptest! {
    #[test]
    fn messages(bytes in prop_oneof![nearly(), proptest::collection::vec(any::<u8>(), 0..300)]) {
        match Message::parse(Bytes::from(bytes)) {
            Ok(message) => use_all(&message),
            Err(error) => {
                let _ = (error.status(), error.answer().map(|answer| answer.encode()));
                error.readable().map(use_all).unwrap_or_default();
            }
        }
    }

    #[test]
    fn values(text in nasty()) {
        let _ = Uri::parse(&text).map(|uri| (uri.to_string(), uri.address_of_record(), uri.equivalent(&uri)));
        let _ = Via::parse(&text).map(|via| (via.received(), via.rport(), via.to_string()));
        let _ = NameAddr::parse(&text).map(|address| (address.q_thousandths(), address.to_string()));
        let _ = Params::parse(&text);
        let _ = CSeq::parse(&text);
        let _ = unquote(&text);
        prop_assert!(split_commas(&text).count() <= text.len());
    }

    #[test]
    fn digests(text in nasty(), now in any::<u64>()) {
        for text in [text.clone(), format!("Digest {text}")] {
            let _ = Challenge::parse(&text);
            let _ = Credentials::parse(&text).map(|credentials| credentials.count());
            let mut authority = Authority::new("r", [1; 32]);
            let _ = authority.challenges(&[Algorithm::Sha256, Algorithm::Md5], now, true);
            let _ = authority.verify(&text, &Method::Invite, |_, _: Algorithm| Some(String::new()), now);
        }
    }

    #[test]
    fn descriptions(lines in proptest::collection::vec((prop_oneof![Just('v'), Just('o'), Just('c'), Just('m'), Just('a'), any::<char>()], prop_oneof!["0", "- 1 2 IN IP4 1.2.3.4", "audio 9 RTP/AVP 0 8", "IN IP4 1.2.3.4", "rtcp:1 IN IP4 1.2.3.4", "rtpmap:8 PCMA/8000", ".{0,30}"]), 0..20)) {
        let text: String = lines.iter().map(|(kind, rest)| format!("{kind}={rest}\r\n")).collect();
        if let Ok(mut sdp) = Sdp::parse(text.as_bytes()) {
            for media in sdp.medias() {
                let _ = (media.kind(), media.codecs(), media.rtp_address(), media.rtcp_address(), media.is_hold());
            }
            sdp.hide("192.0.2.1".parse().unwrap(), 1, 2);
            let _ = sdp.readdress(0, "192.0.2.1:2".parse().unwrap(), "192.0.2.1:9".parse().unwrap());
            let _ = sdp.encode();
        }
    }
}
