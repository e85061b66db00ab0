use patchbay_sip::limits;
use patchbay_sip::stream::{Frame, FrameError, Framer, KeepAlive};
use proptest::prelude::*;

const ONE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";
const TWO: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length:\r\n 0\r\nX: y\r\n\r\n";

fn frames(framer: &mut Framer) -> Vec<Frame> {
    framer.map(Result::unwrap).collect()
}

fn message(bytes: &'static [u8]) -> Frame {
    Frame::Message(bytes::Bytes::from_static(bytes))
}

/// A1. Messages and keep-alives come out the same however the network cuts the stream.
#[test]
fn any_cut_gives_the_same_messages() {
    let stream = [ONE, b"\r\n\r\n", TWO, ONE].concat();
    for size in 1..stream.len() {
        let mut framer = Framer::new();
        let mut got = Vec::new();
        for piece in stream.chunks(size) {
            framer.push(piece);
            got.extend(frames(&mut framer));
        }
        let messages: Vec<_> = got
            .iter()
            .filter(|f| matches!(f, Frame::Message(_)))
            .cloned()
            .collect();
        assert_eq!(
            messages,
            [message(ONE), message(TWO), message(ONE)],
            "pieces of {size}"
        );
        let pings = got
            .iter()
            .filter(|f| **f == Frame::KeepAlive(KeepAlive::Ping))
            .count();
        assert_eq!(pings, 1, "pieces of {size}");
        assert_eq!(framer.pending(), 0);
    }
}

/// RFC 5626 section 4.4.1.
#[test]
fn keep_alives() {
    let mut framer = Framer::new();
    framer.push(b"\r\n");
    assert_eq!(frames(&mut framer), [Frame::KeepAlive(KeepAlive::Pong)]);
    framer.push(ONE);
    framer.push(b"\r\n\r\n\r\n\r\n");
    let ping = Frame::KeepAlive(KeepAlive::Ping);
    assert_eq!(frames(&mut framer), [message(ONE), ping.clone(), ping]);
}

#[test]
fn what_cannot_be_cut_ends_the_stream() {
    let long = [
        b"OPTIONS sip:a SIP/2.0\r\nX: ".to_vec(),
        vec![b'x'; limits::MAX_HEADER_BYTES],
    ]
    .concat();
    let body = format!(
        "OPTIONS sip:a SIP/2.0\r\nl: {}\r\n\r\n",
        limits::MAX_BODY_BYTES + 1
    );
    for (stream, error) in [
        (long, FrameError::HeadTooLong),
        (body.into_bytes(), FrameError::BodyTooLong),
        (
            b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec(),
            FrameError::NoContentLength,
        ),
        (
            b"OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n".to_vec(),
            FrameError::BadContentLength,
        ),
        (
            b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-length: 1\r\n\r\n".to_vec(),
            FrameError::BadContentLength,
        ),
    ] {
        let mut framer = Framer::new();
        framer.push(&stream);
        assert_eq!(framer.next(), Some(Err(error)));
        assert_eq!(
            framer.rejected().is_some(),
            error != FrameError::HeadTooLong
        );
        framer.push(ONE);
        assert_eq!((framer.next(), framer.pending()), (None, 0));
    }
}

proptest! {
    /// Never panics, never holds more than one message and what was pushed.
    #[test]
    fn arbitrary_bytes_are_bounded(pieces in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'l'), Just(b'1'), any::<u8>()], 0..80), 0..40)) {
        let mut framer = Framer::new();
        for piece in pieces {
            framer.push(&piece);
            while framer.next().is_some() {}
            prop_assert!(framer.pending() <= limits::MAX_HEADER_BYTES + limits::MAX_BODY_BYTES);
        }
    }
}
