//! What scenes read and write.

use patchbay_sip::{HeaderError, HeaderName, Message, ParseError, ParseErrorKind};

/// What control sends can be read, but for the answer to what could not be read itself: it copies some
/// of it.
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

/// A session description that offers these payload types.
pub fn sdp(formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

/// The Via hops of a message, topmost first.
pub fn vias(message: &Message) -> Vec<String> {
    message
        .headers
        .all_split(HeaderName::Via)
        .map(str::to_owned)
        .collect()
}
