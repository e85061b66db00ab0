//! The URI parser.

use super::{Host, Scheme, Uri};
use crate::error::{HeaderError, UriError};
use crate::limits::MAX_URI;
use crate::params::Params;
use crate::scan::{bytes_among, cut, has_any};
use crate::text::Text;

/// Control characters, white space, brackets and quotes.
const FORBIDDEN: [bool; 256] = bytes_among(b'!', b"<>\"\x7f");

pub(super) fn uri(text: &str) -> Result<Uri, UriError> {
    if text.len() > MAX_URI {
        return Err(UriError::TooLong);
    }
    if has_any(text, &FORBIDDEN) {
        return Err(UriError::Character);
    }
    let (scheme, rest) = cut(text, b':').ok_or(UriError::Scheme)?;
    match self::scheme(scheme)? {
        Scheme::Tel => tel(rest),
        Scheme::Other(name) => {
            let mut uri = Uri::sip(Host::Absent);
            uri.scheme = Scheme::Other(name);
            uri.opaque = rest.into();
            Ok(uri)
        }
        scheme => sip(scheme, rest),
    }
}

fn scheme(text: &str) -> Result<Scheme, UriError> {
    if text.eq_ignore_ascii_case("sip") {
        return Ok(Scheme::Sip);
    }
    if text.eq_ignore_ascii_case("sips") {
        return Ok(Scheme::Sips);
    }
    if text.eq_ignore_ascii_case("tel") {
        return Ok(Scheme::Tel);
    }
    let sound = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !sound {
        return Err(UriError::Scheme);
    }
    Ok(Scheme::Other(text.to_ascii_lowercase().into()))
}

fn sip(scheme: Scheme, rest: &str) -> Result<Uri, UriError> {
    // Neither user, host nor parameters may hold a bare `@`; the first one ends the user part, in
    // which `;` and `?` are ordinary characters (RFC 4475 section 3.1.1.5).
    let (userinfo, rest) = match cut(rest, b'@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let (rest, headers) = match cut(rest, b'?') {
        Some((rest, headers)) => (rest, Some(headers)),
        None => (rest, None),
    };
    let (hostport, params) = match cut(rest, b';') {
        Some((hostport, params)) => (hostport, Some(params)),
        None => (rest, None),
    };
    let (host, port) = Host::parse_with_port(hostport)?;
    let mut uri = Uri::sip(host);
    uri.scheme = scheme;
    uri.port = port;
    if let Some(userinfo) = userinfo {
        let (user, password) = match cut(userinfo, b':') {
            Some((user, password)) => (user, Some(password)),
            None => (userinfo, None),
        };
        if user.is_empty() {
            return Err(UriError::User);
        }
        uri.user = Some(user.into());
        uri.password = password.map(Text::from);
    }
    if let Some(params) = params {
        uri.params = self::params(params)?;
    }
    if let Some(headers) = headers {
        uri.headers = self::headers(headers)?;
    }
    Ok(uri)
}

fn params(text: &str) -> Result<Params, UriError> {
    let mut params = Params::new();
    for item in text.split(';').filter(|item| !item.is_empty()) {
        let (name, value) = match cut(item, b'=') {
            Some((name, value)) => (name, Some(value)),
            None => (item, None),
        };
        if name.is_empty() {
            return Err(UriError::Params);
        }
        params.add(name, value).map_err(|error| match error {
            HeaderError::TooMany => UriError::TooLong,
            _ => UriError::Params,
        })?;
    }
    Ok(params)
}

fn headers(text: &str) -> Result<Vec<(Text, Text)>, UriError> {
    let mut headers = Vec::new();
    for item in text.split('&') {
        let (name, value) = cut(item, b'=').ok_or(UriError::Headers)?;
        if name.is_empty() {
            return Err(UriError::Headers);
        }
        headers.push((name.into(), value.into()));
    }
    Ok(headers)
}

fn tel(rest: &str) -> Result<Uri, UriError> {
    let (number, params) = match cut(rest, b';') {
        Some((number, params)) => (number, Some(params)),
        None => (rest, None),
    };
    let digits = number.strip_prefix('+').unwrap_or(number);
    let dialled = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#');
    let separator = |byte: u8| matches!(byte, b'-' | b'.' | b'(' | b')');
    let sound =
        digits.bytes().any(dialled) && digits.bytes().all(|byte| dialled(byte) || separator(byte));
    if !sound {
        return Err(UriError::Number);
    }
    let mut uri = Uri::sip(Host::Absent);
    uri.scheme = Scheme::Tel;
    uri.user = Some(number.into());
    if let Some(params) = params {
        uri.params = self::params(params)?;
    }
    Ok(uri)
}
