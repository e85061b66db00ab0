//! Certificates: read, checked, watched, and changed while connections stand.
//!
//! An [`Endpoint`] is a host's identity (certificate chain and key) with those it trusts. It gives
//! acceptors and connectors for TLS 1.2 and 1.3; connections that stand keep what they were made
//! with when the files change. The one crypto provider is aws-lc-rs.

mod client;
mod endpoint;
mod error;
mod files;
mod watch;

pub use client::client;
pub use endpoint::{Endpoint, HTTP2, State, Trust, stands_for};
pub use error::TlsError;
pub use files::{Files, check};
pub use watch::{LOOK_EVERY, keep_fresh};

pub use rustls::pki_types::{CertificateDer, ServerName};
pub use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
