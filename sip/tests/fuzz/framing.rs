//! Streams: what comes out does not depend on how the network cuts them.

use patchbay_sip::limits::{MAX_BODY_BYTES, MAX_HEADER_BYTES};
use patchbay_sip::stream::{Frame, FrameError, Framer};

use crate::mutate::{by_bytes, mutated};
use crate::seeds::SEEDS;

#[test]
fn streams() {
    target!("streams", 6_000, |input: &[u8]| {
        holds(input, input);
        let mut choices = by_bytes(input);
        let mut stream = Vec::new();
        for _ in 0..3 {
            stream.extend(mutated(&mut choices, &SEEDS));
        }
        holds(&stream, input);
    });
}

fn holds(stream: &[u8], cuts: &[u8]) {
    let whole = frames(stream, std::iter::repeat(stream.len()));
    let sizes = cuts.iter().map(|&size| usize::from(size) * 4);
    let pieces = frames(stream, sizes.chain(std::iter::repeat(97)));
    assert_eq!(whole, pieces);
}

/// Messages and the error, if there is one, of a stream in pieces of these sizes.
fn frames(
    stream: &[u8],
    mut sizes: impl Iterator<Item = usize>,
) -> (Vec<bytes::Bytes>, Option<FrameError>, Option<bytes::Bytes>) {
    let mut framer = Framer::new();
    let (mut messages, mut failed) = (Vec::new(), None);
    let mut rest = stream;
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let (piece, after) = rest.split_at(size);
        rest = after;
        framer.push(piece);
        for frame in framer.by_ref() {
            match frame {
                Ok(Frame::Message(bytes)) => messages.push(bytes),
                Ok(Frame::KeepAlive(_)) => {}
                Err(error) => failed = Some(error),
            }
        }
        assert!(framer.pending() <= MAX_HEADER_BYTES + MAX_BODY_BYTES);
    }
    (messages, failed, framer.rejected().cloned())
}
