//! The registrar: which devices an agent is reached at (RFC 3261 section 10, RFC 3327).

mod binding;

pub use binding::Binding;
