//! Certificate files as they lie on the host.

use crate::TlsError;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// No chain, key or bundle of authorities is as large as this.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
const SECONDS_PER_DAY: i64 = 24 * 3600;
/// The permission bits of users who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

/// Where an identity and those whom it trusts lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// PEM: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS #8, PKCS #1 or SEC1), not encrypted.
    pub key: PathBuf,
    /// PEM: the authorities that peers' certificates must come from; none: those of the system.
    pub ca: Option<PathBuf>,
}

/// What the files hold.
pub(crate) struct Loaded {
    pub identity: Arc<CertifiedKey>,
    pub roots: RootCertStore,
    pub validity: Validity,
    /// Whether the certificate may be shown to servers that ask for one.
    pub for_clients: bool,
}

/// When a certificate counts, in seconds of Unix time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    pub not_before: i64,
    pub not_after: i64,
}

impl Validity {
    /// Whether the certificate of `files` counts at `now`.
    pub fn check(self, files: &Files, now_unix: i64) -> Result<(), TlsError> {
        let path = files.certificate.clone();
        match now_unix {
            now if now > self.not_after => Err(TlsError::Expired {
                path,
                days: (now - self.not_after) / SECONDS_PER_DAY,
            }),
            now if now < self.not_before => Err(TlsError::NotYet(path)),
            _ => Ok(()),
        }
    }
}

/// Everything that is wrong with the files at `now_unix`, each file judged by itself.
pub fn check(files: &Files, now_unix: i64) -> Vec<TlsError> {
    let mut found = Vec::new();
    let chain = chain(&files.certificate);
    if let Ok((_, validity, _)) = &chain {
        found.extend(validity.check(files, now_unix).err());
    }
    let key = key(&files.key);
    match (chain, key) {
        (Ok((chain, ..)), Ok(key)) => found.extend(pair(files, chain, key).err()),
        (chain, key) => {
            found.extend(chain.err());
            found.extend(key.err());
        }
    }
    if let Some(ca) = &files.ca {
        found.extend(authorities(ca).err());
    }
    found
}

impl Files {
    /// Reads and checks them all, but for the time.
    pub(crate) fn load(&self) -> Result<Loaded, TlsError> {
        let (chain, validity, for_clients) = chain(&self.certificate)?;
        let identity = pair(self, chain, key(&self.key)?)?;
        let roots = match &self.ca {
            Some(ca) => authorities(ca)?,
            None => system_authorities(),
        };
        Ok(Loaded {
            identity: Arc::new(identity),
            roots,
            validity,
            for_clients,
        })
    }

    /// What tells a changed file from the one before; changes with each of the files.
    pub(crate) fn stamp(&self) -> Vec<Option<(i64, i64, u64, u64)>> {
        let all = [Some(&self.certificate), Some(&self.key), self.ca.as_ref()];
        let stamp = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.mtime(), about.mtime_nsec(), about.size(), about.ino()))
        };
        all.into_iter().flatten().map(stamp).collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut limited = file.take(MAX_FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 > MAX_FILE_BYTES {
        true => Err(TlsError::TooLarge(path.to_owned())),
        false => Ok(bytes),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::broken(path, error))?;
    match all.is_empty() {
        true => Err(TlsError::NoCertificate(path.to_owned())),
        false => Ok(all),
    }
}

type Chain = (Vec<CertificateDer<'static>>, Validity, bool);

fn chain(path: &Path) -> Result<Chain, TlsError> {
    let chain = certificates(path)?;
    let first = chain
        .first()
        .ok_or_else(|| TlsError::NoCertificate(path.to_owned()))?;
    let (_, own) =
        X509Certificate::from_der(first).map_err(|error| TlsError::broken(path, error))?;
    let validity = Validity {
        not_before: own.validity().not_before.timestamp(),
        not_after: own.validity().not_after.timestamp(),
    };
    // RFC 5280 section 4.2.1.12: without the extension a certificate serves every purpose.
    let usage = own.extended_key_usage().ok().flatten();
    let for_clients = usage.is_none_or(|usage| usage.value.any || usage.value.client_auth);
    Ok((chain, validity, for_clients))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    let open = std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & OTHERS != 0);
    if open {
        return Err(TlsError::OpenKey(path.to_owned()));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        error => TlsError::broken(path, error),
    })
}

fn pair(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    let provider = aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        },
        error => TlsError::broken(&files.key, error),
    })
}

pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::broken(path, error))?;
    }
    Ok(roots)
}

/// Those of the system that can be read: without any, no peer is believed.
pub(crate) fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
