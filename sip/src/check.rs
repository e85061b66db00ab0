//! What no message can do without.

use crate::error::HeaderError;
use crate::message::{Message, StartLine};
use crate::name::HeaderName;
use crate::name_addr::NameAddr;
use crate::parse::ParseErrorKind;
use crate::via::Via;

/// Checks the headers by which messages are routed, matched and answered (RFC 3261 section 8.1.1).
/// Max-Forwards may be missing, as it is from elements of RFC 2543.
pub(crate) fn essential(message: &Message) -> Result<(), ParseErrorKind> {
    repeats(message)?;
    message.call_id()?;
    NameAddr::check(message.single(HeaderName::From, "From")?)?;
    NameAddr::check(message.single(HeaderName::To, "To")?)?;
    Via::check(message.first_via()?)?;
    // The others are not ours to read, but a list with stray separators is none (RFC 4475
    // section 3.1.2.1).
    for hop in message.headers.all_split(HeaderName::Via).skip(1) {
        Via::check(hop)?;
    }
    let cseq = message.cseq()?;
    if let StartLine::Request { method, .. } = &message.start {
        if cseq.method != *method {
            return Err(ParseErrorKind::CSeqMethod);
        }
        if message.headers.contains(HeaderName::MaxForwards) && message.max_forwards().is_none() {
            return Err(HeaderError::Malformed("Max-Forwards").into());
        }
    }
    Ok(())
}

fn repeats(message: &Message) -> Result<(), ParseErrorKind> {
    let mut seen = 0u8;
    for (name, _) in message.headers.iter() {
        let (bit, word) = match name {
            HeaderName::From => (1, "From"),
            HeaderName::To => (2, "To"),
            HeaderName::CallId => (4, "Call-ID"),
            HeaderName::CSeq => (8, "CSeq"),
            HeaderName::MaxForwards => (16, "Max-Forwards"),
            HeaderName::ContentType => (32, "Content-Type"),
            HeaderName::Expires => (64, "Expires"),
            _ => continue,
        };
        if seen & bit != 0 {
            return Err(HeaderError::Repeated(word).into());
        }
        seen |= bit;
    }
    Ok(())
}
