use crate::{parse, with};
use patchbay_sip::{HeaderError, ParseErrorKind as Kind, UriError};

/// What is wrong, and the status of the answer; `None` where none can be sent.
fn refused(text: &str) -> (Kind, Option<u16>) {
    let error = parse(text).expect_err(text);
    (
        error.kind(),
        error.answer().and_then(|answer| answer.status()),
    )
}

fn invite(extra: &str) -> String {
    with("INVITE sip:b@example.com SIP/2.0", extra)
}

#[test]
fn start_lines() {
    for first in [
        "INVITE <sip:b@example.com> SIP/2.0",
        "INVITE sip:b@example.com; lr SIP/2.0",
        "INVITE  sip:b@example.com  SIP/2.0",
        "INVITE sip:b@example.com SIP/2.0 ",
        "INVITE  SIP/2.0",
    ] {
        assert_eq!(
            refused(&with(first, "")),
            (Kind::RequestUri, Some(400)),
            "{first}"
        );
    }
    assert_eq!(
        refused(&with("OPTIONS sip:t@example.com SIP/7.0", "")),
        (Kind::Version, Some(505))
    );
    for first in [
        "INVITE",
        "INVITE sip:b@example.com",
        "IN<VITE sip:b SIP/2.0",
        "GET / HTTP/1.1",
    ] {
        assert_eq!(
            refused(&with(first, "")),
            (Kind::StartLine, None),
            "{first}"
        );
    }
    for first in [
        "SIP/2.0 4294967301 better not",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 20 x",
    ] {
        assert_eq!(refused(&with(first, "")), (Kind::Status, None), "{first}");
    }
    assert_eq!(refused(&with("SIP/7.0 200 OK", "")), (Kind::Version, None));
}

#[test]
fn lengths() {
    assert_eq!(
        refused(&invite("Content-Length: 9999\n")),
        (Kind::BodyTruncated, Some(400))
    );
    assert_eq!(
        refused(&invite("Content-Length: -999\n")),
        (Kind::ContentLength, Some(400))
    );
    assert_eq!(
        refused(&invite("Content-Length: 0\nl: 0\n")),
        (Kind::ContentLength, Some(400))
    );
    assert_eq!(
        refused(&invite("Content-Length: 99999999999999999999999\n")).0,
        Kind::BodyTruncated
    );
}

#[test]
fn header_values() {
    let cseq = Kind::Header(HeaderError::Malformed("CSeq"));
    let large = invite("").replace("CSeq: 1", "CSeq: 36893488147419103232");
    assert_eq!(refused(&large), (cseq, Some(400)));
    let other = invite("").replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS");
    assert_eq!(refused(&other), (Kind::CSeqMethod, Some(400)));

    let quote = invite("").replace("To: <", "To: \"Mr. J. User <");
    assert_eq!(
        refused(&quote),
        (Kind::Header(HeaderError::Unclosed), Some(400))
    );
    let spaces = invite("").replace("<sip:b@example.com>", "\"B\" < sip:b@exa mple.com >");
    assert_eq!(
        refused(&spaces).0,
        Kind::Header(HeaderError::Uri(UriError::Character))
    );
    let port = invite("").replace("To: <sip:b@example.com>", "To: <sip:b@example.com:70000>");
    assert_eq!(
        refused(&port).0,
        Kind::Header(HeaderError::Uri(UriError::Port))
    );

    let forwards = invite("").replace("Forwards: 70", "Forwards: many");
    assert_eq!(
        refused(&forwards).0,
        Kind::Header(HeaderError::Malformed("Max-Forwards"))
    );
    for (line, name) in [
        ("From: <sip:x@y>;tag=9\n", "From"),
        ("t: <sip:x@y>\n", "To"),
        ("Call-ID: 2\n", "Call-ID"),
        ("CSeq: 2 INVITE\n", "CSeq"),
        ("Max-Forwards: 5\n", "Max-Forwards"),
    ] {
        assert_eq!(
            refused(&invite(line)),
            (Kind::Header(HeaderError::Repeated(name)), Some(400))
        );
    }
}

#[test]
fn missing_headers() {
    for (line, name, due) in [
        ("From: <sip:a@example.com>;tag=1\n", "From", Some(400)),
        ("To: <sip:b@example.com>\n", "To", Some(400)),
        ("Call-ID: 1\n", "Call-ID", Some(400)),
        ("CSeq: 1 INVITE\n", "CSeq", None),
        (
            "Via: SIP/2.0/UDP h.example.com;branch=z9hG4bK1\n",
            "Via",
            None,
        ),
    ] {
        let (kind, answer) = refused(&invite("").replace(line, ""));
        assert_eq!(
            (kind, answer),
            (Kind::Header(HeaderError::Missing(name)), due)
        );
    }
}

#[test]
fn lines() {
    assert_eq!(
        refused(&invite("no colon here\n")),
        (Kind::HeaderLine, Some(400))
    );
    assert_eq!(
        refused(&invite("na me: x\n")),
        (Kind::HeaderLine, Some(400))
    );
    assert_eq!(refused(&invite(": x\n")), (Kind::HeaderLine, Some(400)));
    assert_eq!(
        refused(&invite("X: a\rVia: b\n")),
        (Kind::HeaderLine, Some(400))
    );
    assert_eq!(refused("INVITE sip:b SIP/2.0\nVia: x\n").0, Kind::Truncated);
    assert_eq!(refused("INVITE sip:b SIP/2.0").0, Kind::Truncated);
    assert_eq!(refused("\n\n\n").0, Kind::Empty);
    assert_eq!(refused("").0, Kind::Empty);
}

/// A broken ACK is never answered.
#[test]
fn an_ack_is_dropped() {
    let text = with("ACK sip:b@example.com SIP/2.0", "Content-Length: -1\n");
    assert_eq!(refused(&text), (Kind::ContentLength, None));
}
