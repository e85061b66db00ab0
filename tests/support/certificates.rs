//! Certificates of an authority that the test makes up.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::process::Folder;

/// An authority, whose certificate lies in the test's folder.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate.
    pub file: PathBuf,
}

impl Authority {
    /// Makes one called `name`.
    pub fn make(folder: &Folder, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let file = folder.file(&format!("{name}.pem"));
        std::fs::write(&file, issuer.pem()).expect("a file");
        Authority { issuer, file }
    }

    /// Writes a new certificate for these addresses and `localhost`, and its key.
    pub fn issue(&self, ips: &[IpAddr], certificate: &Path, key: &Path) {
        let names = ips.iter().map(ToString::to_string);
        let names: Vec<String> = names.chain(["localhost".to_owned()]).collect();
        let mut params = CertificateParams::new(names).expect("names");
        // A certificate with its authority's own name looks as if it had signed itself.
        params.distinguished_name.push(DnType::CommonName, "a host");
        let pair = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&pair, &self.issuer).expect("signed");
        std::fs::write(certificate, signed.pem()).expect("a file");
        std::fs::write(key, pair.serialize_pem()).expect("a file");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(key, private).expect("permissions");
    }
}
