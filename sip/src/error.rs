//! What can be wrong with a header value.

/// A header that is missing or cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The header is not there.
    #[error("missing header {0}")]
    Missing(&'static str),
    /// The header stands twice where once is allowed.
    #[error("repeated header {0}")]
    Repeated(&'static str),
    /// A header's value is not of its syntax.
    #[error("malformed header {0}")]
    Malformed(&'static str),
    /// A URI is not of its syntax.
    #[error("malformed URI: {0}")]
    Uri(#[from] UriError),
    /// A parameter list is not of its syntax.
    #[error("malformed parameters")]
    Params,
    /// A quoted string or angle bracket is not closed.
    #[error("unclosed quote or bracket")]
    Unclosed,
    /// More parameters than [`crate::limits::MAX_PARAMS`].
    #[error("too many parameters")]
    TooMany,
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme before a colon.
    #[error("no scheme")]
    Scheme,
    /// Not a host name, IPv4 address or bracketed IPv6 address.
    #[error("bad host")]
    Host,
    /// Not a port from 1 to 65535.
    #[error("bad port")]
    Port,
    /// The user part is empty or holds characters that must be escaped.
    #[error("bad user part")]
    User,
    /// A parameter is not of its syntax.
    #[error("bad parameter")]
    Params,
    /// A header (after `?`) is not of its syntax.
    #[error("bad URI header")]
    Headers,
    /// Not a telephone number.
    #[error("bad telephone number")]
    Number,
    /// Holds white space, control characters or angle brackets.
    #[error("character not allowed")]
    Character,
    /// Longer than [`crate::limits::MAX_URI`] bytes.
    #[error("too long")]
    TooLong,
}
