//! How single values are written in `patchbay.toml`: addresses, listeners, port ranges, URLs.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use patchbay_core::Network;
use patchbay_core::centre::Digest;
use patchbay_relay::engine::{EngineKind, MediaSockets};
use patchbay_relay::readdress::headers::NEEDED;
use patchbay_relay::trace::MAX_RING_BYTES;
use patchbay_route::transfer::Carrier;
use patchbay_sip::Method;
use patchbay_sip::digest::Algorithm;
use patchbay_tls::ServerName;

use super::problem::{Fault, nearest};
use super::{Listen, ListenTransport};

/// The lowest port that media may use: those below need privileges.
const LOWEST_MEDIA_PORT: u16 = 1024;

/// `127.0.0.1:8080` or `[::1]:8080`.
pub fn socket_address(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        let what = format!("`{text}` is not an address and port");
        if text.parse::<IpAddr>().is_ok() {
            return Fault::new(what, "add the port, like 192.0.2.1:5060 or [2001:db8::1]:5060");
        }
        Fault::new(
            what,
            "write it like 192.0.2.1:5060 or [2001:db8::1]:5060; names are not looked up, give the address",
        )
    })
}

/// A plain address that a peer can send to or come from.
pub fn ip_address(text: &str) -> Result<IpAddr, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            format!("`{text}` is not an IP address"),
            "write it like 192.0.2.1 or 2001:db8::1, without a port",
        )
    })
}

/// A name server: an address, with a port unless it is that of DNS.
pub fn name_server(text: &str) -> Result<SocketAddr, Fault> {
    const DNS_PORT: u16 = 53;
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, DNS_PORT)),
        Err(_) => text.parse().map_err(|_| {
            Fault::new(
                format!("`{text}` is not the address of a name server"),
                "write it like 192.0.2.53, or 127.0.0.1:5353 with a port of its own",
            )
        }),
    }
}

/// An address that peers are told to send to: one that names a host.
pub fn advertised_address(text: &str) -> Result<IpAddr, Fault> {
    let address = ip_address(text)?;
    match address.is_unspecified() || address.is_multicast() {
        true => Err(Fault::new(
            format!("`{text}` is not an address that a peer can send to"),
            "give the public address of this host, or leave `advertise` out",
        )),
        false => Ok(address),
    }
}

/// `udp:0.0.0.0:5060`, `tcp:[::]:5060`, `tls:192.0.2.1`.
pub fn listen(text: &str) -> Result<Listen, Fault> {
    let example = "write it like udp:0.0.0.0:5060 or tls:[::]:5061";
    let Some((transport, address)) = text.split_once(':') else {
        let what = format!("`{text}` does not say what to listen on");
        return Err(Fault::new(what, example));
    };
    let known = ListenTransport::ALL;
    let named = transport.to_ascii_lowercase();
    if let Some(transport) = known.into_iter().find(|known| known.as_str() == named) {
        return Ok(Listen {
            transport,
            address: listen_address(transport, address)?,
        });
    }
    if text.parse::<SocketAddr>().is_ok() {
        return Err(Fault::new(
            format!("`{text}` has no transport"),
            format!("write udp:{text} or tcp:{text}"),
        ));
    }
    let remedy = match nearest(&named, known.map(ListenTransport::as_str)) {
        Some(guess) => format!("did you mean `{guess}:{address}`?"),
        None => example.to_owned(),
    };
    let what = format!("there is no transport `{named}`");
    Err(Fault::new(what, remedy))
}

/// With a port, or with that of the transport (RFC 3261 section 19.1.2).
fn listen_address(transport: ListenTransport, text: &str) -> Result<SocketAddr, Fault> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match (bare.parse::<IpAddr>(), transport.default_port()) {
        (Ok(ip), Some(port)) if transport.is_secure() => Ok(SocketAddr::new(ip, port)),
        _ => socket_address(text),
    }
}

/// A name that a certificate can stand for.
pub fn host_name(text: &str) -> Result<String, Fault> {
    let named = ServerName::try_from(text);
    match named {
        Ok(ServerName::DnsName(_)) => Ok(text.to_ascii_lowercase()),
        _ => Err(Fault::new(
            format!("`{text}` is not the name of a host"),
            "write it like sip.example.com, as it stands in the certificate",
        )),
    }
}

/// `https://desk.example.com`: what browsers call the origin of a page (RFC 6454 section 6.2).
pub fn origin(text: &str) -> Result<String, Fault> {
    let url = reqwest::Url::parse(text).ok();
    let plain = url.map(|url| url.origin().ascii_serialization());
    match plain.as_deref() == Some(text) {
        true => Ok(text.to_owned()),
        false => Err(Fault::new(
            format!("`{text}` is not the origin of a page"),
            "write scheme, host and port alone, like https://desk.example.com or http://10.0.0.1:3000",
        )),
    }
}

/// `20000-59999`.
pub fn port_range(text: &str) -> Result<RangeInclusive<u16>, Fault> {
    let example = "write it like \"20000-59999\"";
    let parts = text.split_once('-').and_then(|(low, high)| {
        Some((
            low.trim().parse::<u16>().ok()?,
            high.trim().parse::<u16>().ok()?,
        ))
    });
    let Some((low, high)) = parts else {
        return Err(Fault::new(
            format!("`{text}` is not a range of ports"),
            example,
        ));
    };
    if low < LOWEST_MEDIA_PORT {
        return Err(Fault::new(
            format!("{low} is a port that needs privileges"),
            format!("start at {LOWEST_MEDIA_PORT} or higher; {example}"),
        ));
    }
    if low >= high {
        return Err(Fault::new(
            format!("`{text}` is empty"),
            format!("put the lower port first; {example}"),
        ));
    }
    Ok(low..=high)
}

/// Memory for messages: `64 MiB`, `512 KiB` or `off`.
pub fn ring_bytes(text: &str) -> Result<usize, Fault> {
    const LEAST: usize = 64 * 1024;
    if text == "off" {
        return Ok(0);
    }
    let units = [("KiB", 1024), ("MiB", 1024 * 1024)];
    let read = units.iter().find_map(|(unit, bytes)| {
        let number: usize = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*bytes)
    });
    match read {
        Some(bytes) if (LEAST..=MAX_RING_BYTES).contains(&bytes) => Ok(bytes),
        Some(_) => Err(Fault::new(
            format!("`{text}` is too little or too much"),
            "give 64 KiB to 1024 MiB, or \"off\"",
        )),
        None => Err(Fault::new(
            format!("`{text}` is no size of memory"),
            "write it like \"64 MiB\" or \"512 KiB\", or \"off\"",
        )),
    }
}

/// `http://host:port` without a path, or `https`; the end slash is dropped.
pub fn base_url(text: &str) -> Result<String, Fault> {
    let example = "write it like http://127.0.0.1:8090, or https where [link] has a certificate";
    let wrong = |what: &str| Fault::new(format!("`{text}` {what}"), example);
    let url = reqwest::Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("starts with neither http:// nor https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("names no host"));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has more than a host and a port"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// `sha-256` or `md5`.
pub fn digest(text: &str) -> Result<Algorithm, Fault> {
    let known = [Digest::Sha256, Digest::Md5];
    let named = known.into_iter().find(|digest| digest.as_str() == text);
    named.map(Algorithm::from).ok_or_else(|| {
        let remedy = match nearest(text, known.map(Digest::as_str)) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => "write \"sha-256\" or \"md5\"".to_owned(),
        };
        Fault::new(format!("there is no digest `{text}`"), remedy)
    })
}

/// How media ports are received.
pub fn media_sockets(text: &str) -> Result<MediaSockets, Fault> {
    let known = MediaSockets::ALL;
    known
        .into_iter()
        .find(|sockets| sockets.as_str() == text)
        .ok_or_else(|| {
            let remedy = match nearest(text, known.map(MediaSockets::as_str)) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None => "write \"auto\", \"per-port\" or \"steered\"".to_owned(),
            };
            Fault::new(format!("media ports cannot be received `{text}`"), remedy)
        })
}

/// How transfers travel to the relays.
pub fn carrier(text: &str) -> Result<Carrier, Fault> {
    let known = Carrier::ALL;
    let named = known.into_iter().find(|carrier| carrier.as_str() == text);
    named.ok_or_else(|| {
        let remedy = match nearest(text, known.map(Carrier::as_str)) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => "write \"uri\", \"message\" or \"tunnel\"".to_owned(),
        };
        Fault::new(format!("calls cannot be transferred by `{text}`"), remedy)
    })
}

/// Where settled media is sent on.
pub fn engine(text: &str) -> Result<EngineKind, Fault> {
    let known = EngineKind::ALL;
    let named = known.into_iter().find(|engine| engine.as_str() == text);
    named.ok_or_else(|| {
        let remedy = match nearest(text, known.map(EngineKind::as_str)) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => "write \"auto\", \"uring\" or \"xdp\"".to_owned(),
        };
        Fault::new(format!("there is no engine `{text}`"), remedy)
    })
}

/// A method that may be kept from passing inside calls.
pub fn deniable_method(text: &str) -> Result<Method, Fault> {
    let method = Method::from(text);
    if NEEDED.contains(&method) {
        return Err(Fault::new(
            format!("`{text}` cannot be denied: no call could be set up or ended"),
            "deny methods like REFER or MESSAGE",
        ));
    }
    let word = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    match word {
        true => Ok(method),
        false => Err(Fault::new(
            format!("`{text}` is not the name of a SIP method"),
            "methods are written in capitals, like REFER",
        )),
    }
}

/// The name of a network interface, as the kernel allows it.
pub fn interface(text: &str) -> Result<String, Fault> {
    const LONGEST: usize = 15;
    let fits = (1..=LONGEST).contains(&text.len()) && text != "." && text != "..";
    let plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() && c != '/' && c != ':');
    match fits && plain {
        true => Ok(text.to_owned()),
        false => Err(Fault::new(
            format!("`{text}` is not the name of a network interface"),
            "give a name that `ip link` shows, like eth0",
        )),
    }
}

/// An address, or a network such as `192.0.2.0/24`.
pub fn network(text: &str) -> Result<Network, Fault> {
    Network::parse(text).ok_or_else(|| {
        Fault::new(
            format!("`{text}` is not an address or a network"),
            "write it like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32",
        )
    })
}

/// A URL with places to fill in; it is sent between angle brackets in a SIP header.
pub fn template(text: &str) -> Result<String, Fault> {
    const LONGEST: usize = 512;
    let plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\\'));
    let scheme = text.starts_with("https://") || text.starts_with("http://");
    match plain && scheme && text.len() <= LONGEST {
        true => Ok(text.to_owned()),
        false => Err(Fault::new(
            format!("`{text}` is not a URL"),
            "write it like https://crm.example/pop?contact={contact}&from={from}",
        )),
    }
}

/// A realm: it is sent between quotation marks in SIP headers.
pub fn realm(text: &str) -> Result<String, Fault> {
    const LONGEST: usize = 128;
    let plain = text
        .chars()
        .all(|c| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\');
    match plain && !text.trim().is_empty() && text.len() <= LONGEST {
        true => Ok(text.to_owned()),
        false => Err(Fault::new(
            "is not a realm",
            format!("use 1 to {LONGEST} ASCII characters, without quotation marks and backslashes"),
        )),
    }
}

/// A path; relative ones start at the folder of the file.
pub fn path(text: &str) -> Result<String, Fault> {
    match text.is_empty() || text.contains('\0') {
        true => Err(Fault::new(
            "is not a path",
            "write it like \"/var/lib/patchbay\"",
        )),
        false => Ok(text.to_owned()),
    }
}
