//! Lines of a trace.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of a trace: one of these.
#[expect(clippy::large_enum_variant, reason = "it is only described by this")]
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TraceLine {
    /// A message.
    Message(TracedMessage),
    /// So many messages are missing here: they came faster than they were read.
    Lost(u64),
    /// A relay whose messages are not shown, or no more.
    Unreachable {
        /// Base URL of the relay's private API.
        relay: String,
        /// Why.
        error: String,
    },
    /// The last line: `shown`, `messages`, `bytes`, `time`, `calls` or `stopping`.
    End(String),
}

/// A SIP message as it went over the wire, without TLS and WebSocket around it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TracedMessage {
    /// When it was received or sent, in microseconds of Unix time.
    pub at_unix_us: u64,
    /// Base URL of the relay's private API.
    pub relay: String,
    /// Seen from the relay: `in` or `out`.
    pub way: String,
    /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
    pub transport: String,
    /// The relay's address.
    pub local: String,
    /// The address at the other end.
    pub remote: String,
    /// Left out unless the other end is control.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub control: bool,
    /// The first Call-ID that was seen of its call. Left out where there is none, like those below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The agent of that session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The message; secrets are struck out with `x` unless they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In its place where the message is not UTF-8: hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}
