//! [`Endpoint`]: what a host shows and believes, as it is now.

use crate::TlsError;
use crate::files::{Files, Loaded};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Whom an endpoint deals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anybody may connect. Who shows a certificate must show a good one; only asked for where the
    /// files name an authority.
    Public,
    /// Both sides must show certificates of the authority that the files name.
    Mutual,
}

/// What an endpoint has and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The certificate's last second, of Unix time.
    pub not_after: i64,
    /// How often changed files were taken.
    pub reloads: u64,
    /// How often changed files were refused, and the old ones kept.
    pub refused: u64,
}

/// An identity and a trust that can change while connections stand.
pub struct Endpoint {
    files: Files,
    trust: Trust,
    current: RwLock<Arc<Current>>,
    reloads: AtomicU64,
    refused: AtomicU64,
}

struct Current {
    server: Arc<ServerConfig>,
    /// The same without a question for the peer's certificate: browsers would ask their users.
    browsers: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    /// The same for HTTP/2.
    http2: Arc<ClientConfig>,
    not_after: i64,
}

/// HTTP/2 as both sides call it while they shake hands (RFC 9113 section 3.2).
pub const HTTP2: &[u8] = b"h2";

impl Endpoint {
    /// Reads the files. A certificate whose time is over is taken, with a line in the log: what
    /// does not need it shall work, and peers say no by themselves.
    ///
    /// # Errors
    /// [`TlsError`], about the first file that is wrong.
    pub fn open(files: Files, trust: Trust, now_unix: i64) -> Result<Endpoint, TlsError> {
        let loaded = files.load()?;
        if let Err(error) = loaded.validity.check(&files, now_unix) {
            tracing::error!("{error}; {}", error.remedy());
        }
        let current = RwLock::new(Arc::new(Current::new(loaded, &files, trust)?));
        Ok(Endpoint {
            files,
            trust,
            current,
            reloads: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Reads the files again; connections that stand go on with what they have.
    ///
    /// # Errors
    /// [`TlsError`] if the files cannot be used at `now_unix`: the old ones stay in force. It is
    /// counted.
    pub fn reload(&self, now_unix: i64) -> Result<(), TlsError> {
        let read = || {
            let loaded = self.files.load()?;
            loaded.validity.check(&self.files, now_unix)?;
            Current::new(loaded, &self.files, self.trust)
        };
        match read() {
            Ok(new) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(new);
                self.reloads.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// The files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// For the next connection that comes.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current().server))
    }

    /// The same for browsers, which are not asked for a certificate.
    pub fn browser_acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current().browsers))
    }

    /// For the next connection that is opened.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.current().client))
    }

    /// The same for a connection that shall carry HTTP/2; whether the other side agrees is to be
    /// looked at when it stands ([`HTTP2`]).
    pub fn http2_connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.current().http2))
    }

    /// What it has and has done.
    pub fn state(&self) -> State {
        State {
            not_after: self.current().not_after,
            reloads: self.reloads.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn current(&self) -> Arc<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("files", &self.files)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

impl Current {
    fn new(loaded: Loaded, files: &Files, trust: Trust) -> Result<Current, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let none = || Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>;
        let asked = match (trust, &files.ca) {
            (Trust::Mutual, None) => return Err(TlsError::NoAuthority),
            (Trust::Public, None) => none(),
            (Trust::Public, Some(_)) => {
                let roots = Arc::new(loaded.roots.clone());
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .allow_unauthenticated()
                    .build()
                    .map_err(library)?
            }
            (Trust::Mutual, Some(_)) => {
                let roots = Arc::new(loaded.roots.clone());
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()
                    .map_err(library)?
            }
        };
        // Between hosts, HTTP is spoken in both versions; whoever names none gets what it speaks.
        let spoken: &[&[u8]] = match trust {
            Trust::Public => &[],
            Trust::Mutual => &[HTTP2, b"http/1.1"],
        };
        let client = client(&provider, &loaded, trust)?;
        let mut http2 = client.clone();
        http2.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Current {
            server: server(&provider, &loaded, asked, spoken)?,
            browsers: server(&provider, &loaded, none(), &[])?,
            client: Arc::new(client),
            http2: Arc::new(http2),
            not_after: loaded.validity.not_after,
        })
    }
}

fn server(
    provider: &Arc<CryptoProvider>,
    loaded: &Loaded,
    verifier: Arc<dyn ClientCertVerifier>,
    spoken: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let identity = SingleCertAndKey::from(Arc::clone(&loaded.identity));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(library)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = spoken.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn client(
    provider: &Arc<CryptoProvider>,
    loaded: &Loaded,
    trust: Trust,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(library)?;
    let builder = match loaded.roots.is_empty() {
        // A verifier without authorities cannot be made; a store without any believes nobody.
        true => builder.with_root_certificates(RootCertStore::empty()),
        false => {
            let roots = Arc::new(loaded.roots.clone());
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
                .build()
                .map_err(library)?;
            builder.with_webpki_verifier(verifier)
        }
    };
    // A server that asks gets to see only what may be shown to servers.
    let config = match loaded.for_clients || trust == Trust::Mutual {
        true => {
            let identity = SingleCertAndKey::from(Arc::clone(&loaded.identity));
            builder.with_client_cert_resolver(Arc::new(identity))
        }
        false => builder.with_no_client_auth(),
    };
    Ok(config)
}

fn library(error: impl ToString) -> TlsError {
    TlsError::Library(error.to_string())
}

/// Whether a certificate that was verified is that of `host`, a name or an address (RFC 5922
/// section 7.2).
pub fn stands_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(name) = ServerName::try_from(host) else {
        return false;
    };
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
}
