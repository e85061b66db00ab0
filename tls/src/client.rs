//! A client that has no certificate of its own.

use crate::TlsError;
use crate::files::{authorities, system_authorities};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A connector to servers whose certificates come from the authorities in a PEM file, or from those of
/// the system; TLS 1.2 and 1.3. It shows no certificate. Reads files: not for a task that others wait
/// for.
///
/// # Errors
/// [`TlsError`] if the file cannot be used.
pub fn client(ca: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let roots = match ca {
        Some(ca) => authorities(ca)?,
        None => system_authorities(),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Library(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
