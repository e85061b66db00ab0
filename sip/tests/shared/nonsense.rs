//! What tests that send changed messages make of the answers, in every crate that answers.
#![allow(missing_docs, clippy::panic)]

use patchbay_sip::{HeaderError, Message, ParseError, ParseErrorKind};

/// What is sent can be read, but for the answer to what could not be read itself: it copies some of it.
pub fn nonsense(error: &ParseError) -> Message {
    let answer = error.readable().filter(|message| {
        let status = message.status();
        // A line at its limit is beyond it with `received` (RFC 3261 section 18.2.1).
        let full = matches!(
            error.kind(),
            ParseErrorKind::TooLong
                | ParseErrorKind::LineTooLong
                | ParseErrorKind::TooManyHeaders
                | ParseErrorKind::Header(HeaderError::TooMany)
        );
        full || status.is_some_and(|status| [400, 505, 513].contains(&status))
    });
    answer.unwrap_or_else(|| panic!("{error:?}")).clone()
}
