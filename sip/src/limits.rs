//! Every limit of the wire, by name.

/// Longest message in bytes, head and body together.
pub const MAX_MESSAGE_BYTES: usize = 65_535;
/// Most header lines in one message.
pub const MAX_HEADERS: usize = 160;
/// Longest start line or (unfolded) header line in bytes.
pub const MAX_LINE: usize = 8_192;
/// Most parameters on one URI or header value.
pub const MAX_PARAMS: usize = 64;
/// Longest URI in bytes.
pub const MAX_URI: usize = 4_096;
/// Longest message head in bytes on a stream.
pub const MAX_HEADER_BYTES: usize = 32_768;
/// Longest message body in bytes on a stream.
pub const MAX_BODY_BYTES: usize = MAX_MESSAGE_BYTES - MAX_HEADER_BYTES;
