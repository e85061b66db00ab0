//! Answers of our own.

use patchbay_core::RefuseReason;
use patchbay_sip::{HeaderName, Message};

/// The methods that are served outside of dialogs, and those that belong to them (RFC 3261
/// section 20.5). What a dialog allows is told by the relay, which has it.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER";

/// Extensions that a REGISTER may use.
pub(super) const SUPPORTED: &str = "path, outbound, gruu";

/// An answer with a To tag, which every answer but 100 needs (RFC 3261 section 8.2.6.2).
pub(super) fn reply(request: &Message, status: u16, reason: &str, tag: &str) -> Message {
    let mut response = Message::response_to(request, status, reason);
    response.set_to_tag(tag);
    response
}

/// The final answer that sends a caller elsewhere (RFC 3261 section 21.3.3).
pub(super) fn redirection(request: &Message, to: &str, tag: &str) -> Message {
    let mut response = reply(request, 302, "Moved Temporarily", tag);
    response
        .headers
        .push(HeaderName::Contact, format!("<{to}>"));
    response
}

/// The final answer that refuses a contact, with words for people (RFC 3261 section 20.43).
pub(super) fn refusal(
    request: &Message,
    status: u16,
    retry_after_s: Option<u32>,
    why: RefuseReason,
    tag: &str,
) -> Message {
    let mut response = reply(request, status, "", tag);
    if let Some(seconds) = retry_after_s {
        response
            .headers
            .push(HeaderName::RetryAfter, seconds.to_string());
    }
    let code = if why == RefuseReason::NoUsableMedium {
        305
    } else {
        399
    };
    let warning = format!("{code} patchbay {}", patchbay_sip::quote(why.text()));
    response.headers.push(HeaderName::Warning, warning);
    response
}
