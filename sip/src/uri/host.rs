//! [`Host`]: a host name or address.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::UriError;
use crate::text::Text;

/// A host as it stands in URIs and Via headers.
#[derive(Clone, Debug, Eq)]
pub enum Host {
    /// No host at all: `tel` and opaque URIs.
    Absent,
    /// A host name.
    Name(Text),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, in brackets on the wire.
    V6(Ipv6Addr),
}

impl Host {
    /// Parses a host name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// # Errors
    /// [`UriError::Host`].
    pub fn parse(text: &str) -> Result<Host, UriError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(UriError::Host)?;
            return inner.parse().map(Host::V6).map_err(|_| UriError::Host);
        }
        let digit = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
        if digit && let Ok(address) = text.parse() {
            return Ok(Host::V4(address));
        }
        // Underscores are no host name characters, and common in private networks.
        let sound = !text.is_empty()
            && text.len() <= 255
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if sound {
            Ok(Host::Name(text.into()))
        } else {
            Err(UriError::Host)
        }
    }

    /// Parses `host` or `host:port`, with white space around the colon as Via allows it.
    ///
    /// # Errors
    /// [`UriError::Host`] or [`UriError::Port`].
    pub fn parse_with_port(text: &str) -> Result<(Host, Option<u16>), UriError> {
        let text = text.trim_ascii();
        let at = |wanted| text.bytes().position(|byte| byte == wanted);
        let end = match text.starts_with('[') {
            true => at(b']').map_or(text.len(), |bracket| bracket + 1),
            false => at(b':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at_checked(end).ok_or(UriError::Host)?;
        let host = Host::parse(host.trim_ascii_end())?;
        let rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok((host, None));
        }
        let digits = rest.strip_prefix(':').ok_or(UriError::Host)?;
        let digits = digits.trim_ascii_start();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(UriError::Port);
        }
        match digits.parse::<u16>() {
            Ok(port) if port != 0 => Ok((host, Some(port))),
            _ => Err(UriError::Port),
        }
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address)),
            Host::Absent | Host::Name(_) => None,
        }
    }

    /// The address with `port`, where the host is an address.
    pub fn socket_addr(&self, port: u16) -> Option<SocketAddr> {
        self.ip().map(|ip| SocketAddr::new(ip, port))
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(address),
        }
    }
}

impl PartialEq for Host {
    /// Names compare without case.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Host::Absent, Host::Absent) => true,
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::V4(a), Host::V4(b)) => a == b,
            (Host::V6(a), Host::V6(b)) => a == b,
            _ => false,
        }
    }
}

impl Hash for Host {
    /// As [`PartialEq`] compares.
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Host::Absent => {}
            Host::Name(name) => name
                .bytes()
                .for_each(|byte| state.write_u8(byte.to_ascii_lowercase())),
            Host::V4(address) => address.hash(state),
            Host::V6(address) => address.hash(state),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Absent => Ok(()),
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => f.write_str(&crate::address::v4(*address)),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}
