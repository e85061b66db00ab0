//! What an operator asks to see of the signalling, and what a relay shows of it.
//!
//! The answer to [`TraceAsk`] is a row of JSON lines, each a [`TraceLine`]; an empty line says that
//! the trace goes on and has nothing to show.

use alloc::string::String;
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};

/// Where the relay's private API takes [`TraceAsk`]: POST.
pub const TRACES_PATH: &str = "/relay/v1/traces";
/// Most messages of one trace.
pub const MAX_TRACE_MESSAGES: u64 = 100_000;
/// Most bytes of messages in one trace.
pub const MAX_TRACE_BYTES: u64 = 256 * 1024 * 1024;
/// Longest time that a trace goes on for, in seconds: what nobody looks at any more ends by itself.
pub const MAX_TRACE_TIME_S: u64 = 3_600;
/// Messages of a trace unless said otherwise.
pub const USUAL_TRACE_MESSAGES: u64 = 10_000;
/// Bytes of messages in a trace unless said otherwise.
pub const USUAL_TRACE_BYTES: u64 = 16 * 1024 * 1024;

/// Which calls. A call is shown if each of what is given here is true of one of its messages; without
/// anything all messages are shown, those of no call too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceFilter {
    /// A Call-ID, of whichever side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The user part of From, or the whole address without scheme (`anna@example.com`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The same of To; or the agent that the call was offered to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The address at the other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// A contact's or a session's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Only messages of this method and answers to them (by CSeq, RFC 3261 section 20.16).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only the call that began last.
    #[serde(skip_serializing_if = "is_false")]
    pub last: bool,
}

/// What to show, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceAsk {
    /// Which calls.
    pub filter: TraceFilter,
    /// Go on with what comes; otherwise only what is kept is shown.
    pub follow: bool,
    /// Show credentials, signatures and tokens as they are.
    pub secrets: bool,
    /// End after so many messages; [`MAX_TRACE_MESSAGES`] at most.
    pub messages: Option<u64>,
    /// End after so many bytes of messages; [`MAX_TRACE_BYTES`] at most.
    pub bytes: Option<u64>,
    /// Follow for so many seconds; [`MAX_TRACE_TIME_S`] at most, and without this.
    pub seconds: Option<u64>,
}

/// One line of a trace.
#[expect(clippy::large_enum_variant, reason = "nearly all lines are messages")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceLine {
    /// A message.
    Message(TracedMessage),
    /// So many messages are missing here: they came faster than they were read.
    Lost(u64),
    /// A relay whose messages are not shown, or no more: control says so, and shows those of others.
    Unreachable {
        /// The relay: the base URL of its API.
        relay: String,
        /// Why.
        error: String,
    },
    /// The last line: why the trace ends.
    End(TraceEnd),
}

/// Which way a message went, seen from the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It came.
    In,
    /// It left.
    Out,
}

/// Why a trace ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceEnd {
    /// All that is kept was shown.
    Shown,
    /// As many messages as asked for, or as may be.
    Messages,
    /// As many bytes.
    Bytes,
    /// The time is over.
    Time,
    /// More calls than can be told apart.
    Calls,
    /// The relay is going down.
    Stopping,
}

/// A SIP message as it went over the wire, without TLS and WebSocket around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedMessage {
    /// When it was received or sent, in microseconds of Unix time.
    pub at_unix_us: u64,
    /// The relay: the base URL of its API, as control names it; empty in the relay's own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub relay: String,
    /// Which way it went.
    pub way: Way,
    /// The transport as in Via: `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    pub transport: String,
    /// The relay's address.
    pub local: SocketAddr,
    /// The address at the other end.
    pub remote: SocketAddr,
    /// The other end is control.
    #[serde(default, skip_serializing_if = "is_false")]
    pub control: bool,
    /// The call: the first Call-ID that was seen of it, whichever side this message belongs to. Empty
    /// if the message has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call: String,
    /// The contact, where it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// The session, where the message belongs to one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The agent of that session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// What it said.
    #[serde(flatten)]
    pub content: Content,
}

/// The bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// As text.
    Text(String),
    /// In hexadecimal digits, where they are not UTF-8.
    Hex(String),
}

impl Content {
    /// Wraps bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Content {
        match core::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.into()),
            Err(_) => Content::Hex(
                bytes
                    .iter()
                    .flat_map(|byte| [byte >> 4, byte & 15])
                    .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
                    .collect(),
            ),
        }
    }

    /// The bytes; digits that are none end them.
    #[must_use]
    pub fn bytes(&self) -> alloc::vec::Vec<u8> {
        match self {
            Content::Text(text) => text.as_bytes().to_vec(),
            Content::Hex(hex) => hex
                .as_bytes()
                .chunks_exact(2)
                .map_while(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
                .collect(),
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for this form"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for bytes in [&b"INVITE sip:a SIP/2.0\r\n\r\n"[..], &[0xff, 0, 0x80]] {
            let content = Content::new(bytes);
            let json = serde_json::to_string(&content).unwrap();
            let read: Content = serde_json::from_str(&json).unwrap();
            assert_eq!(read.bytes(), bytes);
        }
    }

    #[test]
    fn a_question_needs_nothing_and_takes_nothing_unknown() {
        let ask: TraceAsk = serde_json::from_str("{}").unwrap();
        assert_eq!(ask, TraceAsk::default());
        assert!(serde_json::from_str::<TraceAsk>("{\"filter\":{\"frm\":\"x\"}}").is_err());
    }
}
