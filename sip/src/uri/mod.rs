//! [`Uri`]: SIP, SIPS and TEL URIs; others are carried whole.

mod compare;
mod escape;
mod host;
mod parse;

use std::fmt;
use std::str::FromStr;

pub use escape::{escape, unescape};
pub use host::Host;

use crate::error::UriError;
use crate::params::Params;
use crate::text::Text;

/// A URI's scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip` (RFC 3261 section 19.1).
    Sip,
    /// `sips` (RFC 3261 section 19.1).
    Sips,
    /// `tel` (RFC 3966).
    Tel,
    /// Any other, in lower case.
    Other(Text),
}

impl Scheme {
    /// The scheme as it is written, without the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A URI (RFC 3261 section 19.1, RFC 3966).
///
/// `user`, `password`, parameter values and headers stand as they are written, with their escapes;
/// [`unescape`] decodes them. `==` compares what is written (names of parameters without case);
/// [`Uri::equivalent`] compares as RFC 3261 section 19.1.4 asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part; of `tel` the number.
    pub user: Option<Text>,
    /// The password, which nobody should send.
    pub password: Option<Text>,
    /// The host; [`Host::Absent`] for `tel` and opaque URIs.
    pub host: Host,
    /// The port, 1 to 65535, where it is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
    /// The headers after `?`.
    pub headers: Vec<(Text, Text)>,
    /// What follows the colon of a scheme that is none of ours.
    pub opaque: Text,
}

impl Uri {
    /// A `sip` URI of a host.
    pub fn sip(host: Host) -> Uri {
        Uri {
            scheme: Scheme::Sip,
            user: None,
            password: None,
            host,
            port: None,
            params: Params::new(),
            headers: Vec::new(),
            opaque: Text::new(),
        }
    }

    /// Parses a URI.
    ///
    /// # Errors
    /// [`UriError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Uri, UriError> {
        parse::uri(text)
    }

    /// The user part without escapes.
    pub fn user_unescaped(&self) -> Option<String> {
        self.user.as_deref().map(unescape)
    }

    /// True for `sip` and `sips`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// True where the `lr` parameter says loose routing (RFC 3261 section 19.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.params.contains("lr")
    }

    /// Equality of RFC 3261 section 19.1.4 (and RFC 3966 section 4 for `tel`).
    pub fn equivalent(&self, other: &Uri) -> bool {
        compare::equivalent(self, other)
    }

    /// The address of record (RFC 3261 section 10.3, step 5): scheme, user without needless escapes,
    /// host in lower case; no port, parameters, headers or password.
    pub fn address_of_record(&self) -> String {
        match &self.scheme {
            Scheme::Tel => format!(
                "tel:{}",
                compare::digits(self.user.as_deref().unwrap_or(""))
            ),
            Scheme::Other(name) => format!("{name}:{}", self.opaque),
            scheme => {
                let host = self.host.to_string().to_ascii_lowercase();
                match self.user_unescaped() {
                    Some(user) => format!("{scheme}:{}@{host}", escape(&user)),
                    None => format!("{scheme}:{host}"),
                }
            }
        }
    }
}

impl FromStr for Uri {
    type Err = UriError;
    fn from_str(text: &str) -> Result<Uri, UriError> {
        Uri::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        match &self.scheme {
            Scheme::Other(_) => return write!(f, "{}", self.opaque),
            Scheme::Tel => write!(f, "{}", self.user.as_deref().unwrap_or(""))?,
            Scheme::Sip | Scheme::Sips => {
                if let Some(user) = &self.user {
                    f.write_str(user)?;
                    if let Some(password) = &self.password {
                        write!(f, ":{password}")?;
                    }
                    f.write_str("@")?;
                }
                write!(f, "{}", self.host)?;
                if let Some(port) = self.port {
                    write!(f, ":{port}")?;
                }
            }
        }
        write!(f, "{}", self.params)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
