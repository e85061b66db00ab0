//! [`Via`]: one hop of a request's way.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::HeaderError;
use crate::params::Params;
use crate::scan::is_token;
use crate::text::Text;
use crate::uri::Host;

/// What every branch made under RFC 3261 begins with (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One Via value (RFC 3261 section 20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The transport's word, such as `UDP`.
    pub transport: Text,
    /// The sender's host.
    pub host: Host,
    /// The sender's port, where it is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
}

impl Via {
    /// Parses one Via value.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`] for the protocol, otherwise what is wrong with host or parameters.
    pub fn parse(text: &str) -> Result<Via, HeaderError> {
        const BAD: HeaderError = HeaderError::Malformed("Via");
        let (head, params) = match text.split_once(';') {
            Some((head, params)) => (head, params),
            None => (text, ""),
        };
        let (name, rest) = head.split_once('/').ok_or(BAD)?;
        let (version, rest) = rest.split_once('/').ok_or(BAD)?;
        if !name.trim().eq_ignore_ascii_case("SIP") || version.trim() != "2.0" {
            return Err(BAD);
        }
        let rest = rest.trim();
        let (transport, sent_by) = rest.split_once([' ', '\t']).ok_or(BAD)?;
        if !is_token(transport) {
            return Err(BAD);
        }
        let (host, port) = Host::parse_with_port(sent_by)?;
        Ok(Via {
            transport: transport.into(),
            host,
            port,
            params: Params::parse(params)?,
        })
    }

    /// The `branch` parameter.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// The `received` parameter as an address; IPv6 may stand with or without brackets (RFC 5118).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value("received")?;
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    }

    /// The `rport` parameter (RFC 3581): `Some(None)` where it asks to be filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.get("rport")?;
        Some(value.and_then(|digits| digits.parse().ok()))
    }

    /// `host` or `host:port` as it was written.
    pub fn sent_by(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }
}

impl FromStr for Via {
    type Err = HeaderError;
    fn from_str(text: &str) -> Result<Via, HeaderError> {
        Via::parse(text)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

impl From<Via> for Text {
    fn from(via: Via) -> Self {
        via.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn white_space_everywhere_is_allowed() {
        let via = Via::parse("SIP  / 2.0 / UDP   [2001:db8::9:1] : 5062 ; branch = z9hG4bKx;rport")
            .unwrap();
        assert_eq!(via.transport, "UDP");
        assert_eq!(via.port, Some(5062));
        assert_eq!(via.branch(), Some("z9hG4bKx"));
        assert_eq!(via.rport(), Some(None));
        assert_eq!(Via::parse(&via.to_string()).unwrap(), via);
    }

    #[test]
    fn received_is_an_address() {
        let via = Via::parse("SIP/2.0/TCP h;received=[::1];rport=77").unwrap();
        assert_eq!(via.received(), Some("::1".parse().unwrap()));
        assert_eq!(via.rport(), Some(Some(77)));
        assert_eq!(via.sent_by(), "h");
    }

    #[test]
    fn broken_ones_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/3.0/UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:0",
            "SIP/2.0/U@ h",
        ] {
            assert!(Via::parse(bad).is_err(), "{bad}");
        }
    }
}
