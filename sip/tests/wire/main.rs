//! The wire: torture messages in the manner of RFC 4475 and RFC 5118, round trips, streams.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod answers;
mod dialogs;
mod digest;
mod framing;
mod limits;
mod never_panics;
mod round_trip;
mod rsip_gaps;
mod sdp;
mod torture_files;
mod torture_invalid;
mod torture_valid;
mod uris;

use bytes::Bytes;
use patchbay_sip::{Message, ParseError};

/// Parses a message written with bare line ends.
pub fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(Bytes::from(
        text.trim_start_matches('\n').replace('\n', "\r\n"),
    ))
}

/// A sound request with `extra` header lines.
pub fn with(first: &str, extra: &str) -> String {
    let method = first.split(' ').next().unwrap();
    format!(
        "{first}\nVia: SIP/2.0/UDP h.example.com;branch=z9hG4bK1\nMax-Forwards: 70\n\
         From: <sip:a@example.com>;tag=1\nTo: <sip:b@example.com>\nCall-ID: 1\nCSeq: 1 {method}\n{extra}\n"
    )
}
