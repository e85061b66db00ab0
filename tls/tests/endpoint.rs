//! Files that are wrong are named; changed ones are taken, and broken ones refused.
#![allow(clippy::unwrap_used)]

use patchbay_tls::{CertificateDer, Endpoint, Files, TlsError, Trust, check, stands_for};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// 2030-01-01.
const NOW: i64 = 1_893_456_000;
static FOLDERS: AtomicUsize = AtomicUsize::new(0);

struct Bed {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Bed {
    fn new() -> Bed {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchbay-tls-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        std::fs::write(folder.join("ca"), authority.pem()).unwrap();
        Bed { folder, authority }
    }

    fn files(&self, name: &str) -> Files {
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        Files {
            certificate: file("crt"),
            key: file("key"),
            ca: Some(self.folder.join("ca")),
        }
    }

    /// A certificate for `sip.example.com` that counts until the end of a year.
    fn issue(&self, name: &str, last_year: i32) -> Files {
        let mut params = CertificateParams::new(vec!["sip.example.com".into()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let files = self.files(name);
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        write_key(&files, &key.serialize_pem());
        files
    }
}

fn write_key(files: &Files, pem: &str) {
    std::fs::write(&files.key, pem).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn each_wrong_file_is_named_with_what_to_do() {
    let bed = Bed::new();
    let good = bed.issue("good", 2031);
    assert!(check(&good, NOW).is_empty());
    let other = bed.issue("other", 2031);
    let of = |certificate: &Files, key: &Files| {
        let files = Files {
            key: key.key.clone(),
            ..certificate.clone()
        };
        check(&files, NOW)
    };
    assert!(matches!(of(&good, &other)[..], [TlsError::Mismatch { .. }]));
    let missing = bed.files("missing");
    assert_eq!(check(&missing, NOW).len(), 2, "certificate and key");
    let old = check(&bed.issue("old", 2029), NOW);
    assert!(
        matches!(old[..], [TlsError::Expired { days: 1, .. }]),
        "{old:?}"
    );
    let swapped = Files {
        certificate: good.key.clone(),
        key: good.certificate.clone(),
        ca: Some(good.key.clone()),
    };
    std::fs::set_permissions(&swapped.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let all = check(&swapped, NOW);
    assert!(
        matches!(
            all[..],
            [
                TlsError::NoCertificate(_),
                TlsError::NoKey(_),
                TlsError::NoCertificate(_)
            ]
        ),
        "{all:?}"
    );
    std::fs::set_permissions(&other.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = check(&other, NOW);
    assert!(matches!(open[..], [TlsError::OpenKey(_)]), "{open:?}");
    assert!(open[0].remedy().contains("chmod o-rwx"));
}

/// Shakes hands over a pipe and gives the certificate that the server has shown.
async fn shown(server: &Endpoint, client: &Endpoint) -> std::io::Result<CertificateDer<'static>> {
    let (left, right) = tokio::io::duplex(16 * 1024);
    let name = patchbay_tls::ServerName::try_from("sip.example.com").unwrap();
    let accepting = server.acceptor().accept(left);
    let connecting = client.connector().connect(name, right);
    let (accepted, connected) = tokio::join!(accepting, connecting);
    let (mut accepted, mut connected) = (accepted?, connected?);
    // A client learns of a refusal with its first reading only (RFC 8446 section 4.4.2.4).
    accepted.write_all(b"x").await?;
    accepted.flush().await?;
    connected.read_u8().await?;
    let certificates = connected.get_ref().1.peer_certificates();
    Ok(certificates.unwrap()[0].clone().into_owned())
}

#[tokio::test]
async fn a_changed_certificate_is_shown_and_a_broken_one_is_not() {
    let bed = Bed::new();
    let files = bed.issue("server", 2100);
    let server = Endpoint::open(files.clone(), Trust::Public, NOW).unwrap();
    let client = Endpoint::open(bed.issue("client", 2100), Trust::Public, NOW).unwrap();
    let first = shown(&server, &client).await.unwrap();
    assert!(stands_for(&first, "sip.example.com"));
    assert!(!stands_for(&first, "other.example.com"));
    assert!(!stands_for(&first, "192.0.2.1"));

    bed.issue("server", 2101);
    server.reload(NOW).unwrap();
    let second = shown(&server, &client).await.unwrap();
    assert_ne!(first, second);

    write_key(&files, "nothing");
    assert!(matches!(server.reload(NOW), Err(TlsError::NoKey(_))));
    bed.issue("server", 2029);
    assert!(matches!(server.reload(NOW), Err(TlsError::Expired { .. })));
    assert_eq!(shown(&server, &client).await.unwrap(), second);
    let state = server.state();
    assert_eq!((state.reloads, state.refused), (1, 2));
}

#[tokio::test]
async fn of_a_mutual_endpoint_both_sides_must_be_the_authoritys() {
    let (bed, elsewhere) = (Bed::new(), Bed::new());
    let open = |files| Endpoint::open(files, Trust::Mutual, NOW).unwrap();
    let server = open(bed.issue("server", 2100));
    shown(&server, &open(bed.issue("client", 2100)))
        .await
        .unwrap();
    let mut stranger = elsewhere.issue("client", 2100);
    stranger.ca = Some(bed.folder.join("ca"));
    assert!(shown(&server, &open(stranger)).await.is_err());
    // A client that does not believe the server.
    let doubting = open(elsewhere.issue("doubting", 2100));
    assert!(shown(&server, &doubting).await.is_err());
    let mut alone = bed.issue("alone", 2100);
    alone.ca = None;
    let opened = Endpoint::open(alone, Trust::Mutual, NOW);
    assert!(matches!(opened, Err(TlsError::NoAuthority)));
}
