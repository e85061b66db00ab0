//! What can be wrong with certificate files, and what to do about it.

use std::path::{Path, PathBuf};

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is larger than any chain of certificates.
    #[error("{} is too large for certificates", .0.display())]
    TooLarge(PathBuf),
    /// A file that holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A file that holds no private key.
    #[error("{} holds no private key", .0.display())]
    NoKey(PathBuf),
    /// A private key that every user of the host can read.
    #[error("{} can be read by every user of this host", .0.display())]
    OpenKey(PathBuf),
    /// A file that is not as it should be.
    #[error("{} cannot be used: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key is another certificate's.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate's time is over.
    #[error("the certificate in {} expired {days} days ago", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Whole days since then.
        days: i64,
    },
    /// The certificate's time has not begun.
    #[error("the certificate in {} is not valid yet", .0.display())]
    NotYet(PathBuf),
    /// Two sides that authenticate each other need to know whose word counts.
    #[error("no certificate authority is named")]
    NoAuthority,
    /// The library refuses the combination.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}

impl TlsError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            TlsError::Unreadable { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                "let the user of the service read it: chown it, or give its group access".into()
            }
            TlsError::Unreadable { .. } => {
                "put the file there, or correct the path; docs/operations.md says how to get certificates in".into()
            }
            TlsError::TooLarge(_) | TlsError::Broken { .. } => {
                "give a PEM file, with lines BEGIN and END around base64".into()
            }
            TlsError::NoCertificate(_) => {
                "give a PEM file with the certificate first and its intermediates after it (fullchain.pem)".into()
            }
            TlsError::NoKey(_) => {
                "give the PEM file of the private key, without a passphrase (privkey.pem)".into()
            }
            TlsError::OpenKey(path) => format!("chmod o-rwx {}", path.display()),
            TlsError::Mismatch { .. } => {
                "give the certificate and the key that were made together".into()
            }
            TlsError::Expired { .. } => "renew the certificate: peers refuse this one".into(),
            TlsError::NotYet(_) => "wait for its first day, or set the host's clock right".into(),
            TlsError::NoAuthority => "name the file with the authority's certificate as `ca`".into(),
            TlsError::Library(_) => "make the certificate and key anew".into(),
        }
    }

    pub(crate) fn broken(path: &Path, why: impl ToString) -> TlsError {
        TlsError::Broken {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}
