//! What `patchbay.toml` says about certificates, and whether the files are as they should be.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use patchbay_tls::{Files, TlsError};

use super::Config;
use super::problem::{Fault, Report};
use super::raw::{Raw, RawTls};
use super::reader::Placed;

/// Reports files that are missing in the text, or wrong on the disk.
pub fn check(config: &Config, raw: &Raw, link: &RawTls, report: &mut Report<'_>) {
    let public = Names {
        certificate: "relay.tls_certificate",
        key: "relay.tls_key",
        ca: "relay.tls_ca",
    };
    let private = Names {
        certificate: "link.certificate",
        key: "link.key",
        ca: "link.ca",
    };
    go_together(&public, &raw.relay.tls, report);
    go_together(&private, link, report);
    secure_listeners_have_one(config, raw, report);
    origins_are_asked(config, raw, report);
    link_is_whole(config, raw, link, report);
    for (names, raw, files) in [
        (&public, &raw.relay.tls, &config.relay.tls),
        (&private, link, &config.link.tls),
    ] {
        if let Some(files) = files {
            on_disk(names, raw, files, report);
        }
    }
}

struct Names {
    certificate: &'static str,
    key: &'static str,
    ca: &'static str,
}

fn span<T>(placed: &Option<Placed<T>>) -> Range<usize> {
    placed.as_ref().map_or(0..0, |placed| placed.span.clone())
}

fn go_together(names: &Names, raw: &RawTls, report: &mut Report<'_>) {
    let (given, lacking) = match (&raw.certificate, &raw.key, &raw.ca) {
        (Some(given), None, _) => ((names.certificate, given), names.key),
        (None, Some(given), _) => ((names.key, given), names.certificate),
        (None, None, Some(given)) => ((names.ca, given), names.certificate),
        _ => return,
    };
    let fault = Fault::new(
        format!("is of no use without {lacking}"),
        format!("add {lacking}, or remove this key"),
    );
    report.error(given.0, given.1.span.clone(), fault);
}

fn secure_listeners_have_one(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    let named = raw.relay.tls.is_whole();
    let Some(listen) = &raw.relay.listen else {
        return;
    };
    let mut secure = listen
        .value
        .iter()
        .filter(|l| l.value.transport.is_secure());
    match (secure.next(), named) {
        (Some(first), false) => {
            let transport = first.value.transport.as_str();
            let fault = Fault::new(
                format!("{transport} needs a certificate"),
                "add tls_certificate and tls_key; docs/operations.md says where they come from",
            );
            report.error("relay.listen", first.span.clone(), fault);
        }
        (None, true) if config.relay.tls.is_some() => {
            let fault = Fault::new(
                "is not used: no listener is tls or wss",
                "add one to relay.listen, like tls:0.0.0.0:5061",
            );
            let place = span(&raw.relay.tls.certificate);
            report.warning("relay.tls_certificate", place, fault);
        }
        _ => {}
    }
}

fn origins_are_asked(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    use super::ListenTransport::{Ws, Wss};
    let web = |listen: &super::Listen| matches!(listen.transport, Ws | Wss);
    if let Some(origins) = &raw.relay.websocket_origins
        && !config.relay.listen.iter().any(web)
    {
        let fault = Fault::new(
            "is not used: no listener is ws or wss",
            "add one to relay.listen, like wss:0.0.0.0:7443",
        );
        report.warning("relay.websocket_origins", origins.span.clone(), fault);
    }
}

/// A link that is secured on one way and plain on the other is a slip.
fn link_is_whole(config: &Config, raw: &Raw, link: &RawTls, report: &mut Report<'_>) {
    if link.is_whole() && link.ca.is_none() {
        let fault = Fault::new(
            "is of no use without link.ca",
            "name the certificate of the authority that signed those of all relays and control nodes",
        );
        report.error("link.certificate", span(&link.certificate), fault);
    }
    let secured = config.link.tls.is_some();
    let urls = raw.control.relays.iter().flat_map(|list| list.value.iter());
    for url in urls {
        let fault = match (url.value.starts_with("https:"), secured) {
            (true, false) => Fault::new(
                "https needs a certificate to show",
                "add certificate, key and ca to [link], or write http",
            ),
            (false, true) => Fault::new(
                "is plain, and the relays refuse that where [link] has a certificate",
                "write https",
            ),
            _ => continue,
        };
        report.error("control.relays", url.span.clone(), fault);
    }
}

fn on_disk(names: &Names, raw: &RawTls, files: &Files, report: &mut Report<'_>) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
    for error in patchbay_tls::check(files, now) {
        let (path, span) = match file_of(&error) {
            Some(file) if *file == files.key => (names.key, span(&raw.key)),
            Some(file) if Some(file) == files.ca.as_ref() => (names.ca, span(&raw.ca)),
            _ => (names.certificate, span(&raw.certificate)),
        };
        let fault = Fault::new(error.to_string(), error.remedy());
        match error {
            // A host that is started again shall at least serve those who need no certificate.
            TlsError::Expired { .. } | TlsError::NotYet(_) => report.warning(path, span, fault),
            _ => report.error(path, span, fault),
        }
    }
}

/// The file that an error is about.
fn file_of(error: &TlsError) -> Option<&std::path::PathBuf> {
    match error {
        TlsError::Unreadable { path, .. }
        | TlsError::Broken { path, .. }
        | TlsError::Expired { path, .. }
        | TlsError::TooLarge(path)
        | TlsError::NoCertificate(path)
        | TlsError::NoKey(path)
        | TlsError::OpenKey(path)
        | TlsError::NotYet(path) => Some(path),
        TlsError::Mismatch { key, .. } => Some(key),
        TlsError::NoAuthority | TlsError::Library(_) => None,
    }
}
