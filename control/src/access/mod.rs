//! Who may do what through the API, without I/O: roles, permissions, tokens, rates.

mod grant;
mod permission;
mod rate;
mod role;
mod secret;

pub use grant::{Ended, Grant};
pub use permission::Permission;
pub use rate::{Buckets, Left, MAX_DEBT_S, Rate, Recent, Wait};
pub use role::Role;
pub use secret::{Digest, Presented, SECRET_BYTES, TOKEN_PREFIX, Written};

/// The identifier under which the token of the data directory appears.
pub const BOOTSTRAP: &str = "bootstrap";

/// Longest name of a token, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Scopes of one token: each permission that may be one, once.
pub const MAX_SCOPES: usize = permission::SCOPES.len();
