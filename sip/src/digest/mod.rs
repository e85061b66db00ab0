//! Digest authentication (RFC 7616, RFC 8760): challenges, answers and their check.

mod authority;
mod challenge;
mod credentials;
mod hash;
mod list;

pub use authority::{Authority, MAX_NONCES, NONCE_SECONDS, Refusal, Verdict};
pub use challenge::Challenge;
pub use credentials::Credentials;
pub use hash::{Algorithm, answer, ha1};

/// What is wrong with a challenge or with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not the Digest scheme.
    #[error("not the Digest scheme")]
    Scheme,
    /// The list of parameters is malformed.
    #[error("malformed parameter list")]
    Syntax,
    /// A parameter that is needed is missing.
    #[error("missing parameter {0}")]
    Missing(&'static str),
    /// Neither SHA-256 nor MD5.
    #[error("algorithm not supported")]
    Algorithm,
    /// `qop` offers or names no `auth`.
    #[error("quality of protection not supported")]
    Qop,
}
