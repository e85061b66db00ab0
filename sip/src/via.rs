//! [`Via`]: one hop of a request's way.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::HeaderError;
use crate::params::Params;
use crate::scan::{cut, is_token};
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
        let (transport, (host, port), params) = parts(text)?;
        Ok(Via {
            transport: transport.into(),
            host,
            port,
            params: Params::parse(params)?,
        })
    }

    /// What an answer to a malformed request needs: the sender, whatever the version, and the
    /// parameters only where they can be read.
    pub(crate) fn loose(text: &str) -> Option<Via> {
        let (_, (transport, (host, port), params)) = versioned(text).ok()?;
        Some(Via {
            transport: transport.into(),
            host,
            port,
            params: Params::parse(params).unwrap_or_default(),
        })
    }

    /// Checks a value as [`Via::parse`] does, and makes nothing of it.
    pub(crate) fn check(text: &str) -> Result<(), HeaderError> {
        let (_, _, params) = parts(text)?;
        Params::scan(params, |_, _| Ok(()))
    }

    /// Host and port of a value, as [`Via::parse`] finds them, without the rest.
    pub(crate) fn sender(text: &str) -> Result<(Host, Option<u16>), HeaderError> {
        let (_, sender, params) = parts(text)?;
        Params::scan(params, |_, _| Ok(()))?;
        Ok(sender)
    }

    /// The `branch` parameter of a value, as [`Via::parse`] finds it, without the rest.
    pub(crate) fn branch_in(text: &str) -> Result<Option<&str>, HeaderError> {
        let (_, _, params) = parts(text)?;
        let mut branch = None;
        Params::scan(params, |name, value| {
            if branch.is_none() && name.eq_ignore_ascii_case("branch") {
                branch = Some(value);
            }
            Ok(())
        })?;
        Ok(branch.flatten())
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

/// Transport, host and port, and the text of the parameters.
type Parts<'a> = (&'a str, (Host, Option<u16>), &'a str);

fn parts(text: &str) -> Result<Parts<'_>, HeaderError> {
    match versioned(text)? {
        ("2.0", parts) => Ok(parts),
        _ => Err(HeaderError::Malformed("Via")),
    }
}

/// The version, and the parts of a Via of whatever version.
fn versioned(text: &str) -> Result<(&str, Parts<'_>), HeaderError> {
    const BAD: HeaderError = HeaderError::Malformed("Via");
    let (head, params) = match cut(text, b';') {
        Some((head, params)) => (head, params),
        None => (text, ""),
    };
    let (name, rest) = cut(head, b'/').ok_or(BAD)?;
    let (version, rest) = cut(rest, b'/').ok_or(BAD)?;
    if !name.trim_ascii().eq_ignore_ascii_case("SIP") {
        return Err(BAD);
    }
    let rest = rest.trim_ascii();
    let end = rest
        .bytes()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .ok_or(BAD)?;
    let (transport, sent_by) = rest.split_at_checked(end).ok_or(BAD)?;
    if !is_token(transport) {
        return Err(BAD);
    }
    let parts = (transport, Host::parse_with_port(sent_by)?, params);
    Ok((version.trim_ascii(), parts))
}

impl FromStr for Via {
    type Err = HeaderError;
    fn from_str(text: &str) -> Result<Via, HeaderError> {
        Via::parse(text)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SIP/2.0/")?;
        f.write_str(&self.transport)?;
        f.write_str(" ")?;
        fmt::Display::fmt(&self.host, f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        fmt::Display::fmt(&self.params, f)
    }
}

impl From<Via> for Text {
    fn from(via: Via) -> Self {
        Text::written(&via)
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
    fn parts_are_found_as_in_the_whole() {
        for text in [
            "SIP/2.0/UDP h:5062;rport;branch=z9hG4bKx;branch=z9hG4bKy",
            "SIP/2.0/TLS [2001:db8::1]",
            "SIP/2.0/UDP 192.0.2.1;BRANCH;branch=z9hG4bKx",
        ] {
            let via = Via::parse(text).unwrap();
            assert_eq!(Via::branch_in(text).unwrap(), via.branch());
            assert_eq!(Via::sender(text).unwrap(), (via.host, via.port));
        }
        let bad = "SIP/2.0/UDP h;branch=\"x";
        assert!(Via::branch_in(bad).is_err() && Via::sender(bad).is_err());
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
