//! [`NameAddr`]: the value of From, To, Contact, Route and their like.

use std::fmt;
use std::str::FromStr;

use crate::error::HeaderError;
use crate::params::Params;
use crate::scan::{cut, find_outside, quoted_length, unquote, write_quoted};
use crate::text::Text;
use crate::uri::Uri;

/// An address with an optional display name and header parameters (RFC 3261 section 20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, without quotes and escapes.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The header's parameters, such as `tag` and `q`; not those of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without name and parameters.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr {
            display: None,
            uri,
            params: Params::new(),
        }
    }

    /// Parses one address, in either form: `"Name" <uri>;params` or `uri;params`.
    ///
    /// In the second form everything after the first semicolon belongs to the header, and the URI may
    /// hold no comma or question mark (RFC 3261 section 20). Display names of characters that ought
    /// to be quoted are accepted.
    ///
    /// # Errors
    /// [`HeaderError::Unclosed`], [`HeaderError::Uri`], [`HeaderError::Params`].
    pub fn parse(text: &str) -> Result<NameAddr, HeaderError> {
        let parts = Parts::of(text)?;
        Ok(NameAddr {
            display: parts.display(),
            uri: Uri::parse(parts.uri)?,
            params: Params::parse(parts.params)?,
        })
    }

    /// Checks an address as [`NameAddr::parse`] does, and makes nothing of it.
    pub(crate) fn check(text: &str) -> Result<(), HeaderError> {
        let parts = Parts::of(text)?;
        Uri::parse(parts.uri)?;
        Params::scan(parts.params, |_, _| Ok(()))
    }

    /// The `tag` parameter of an address that was checked before.
    pub(crate) fn tag_of(text: &str) -> Option<&str> {
        Params::find(Parts::of(text).ok()?.params, "tag")
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// This address with `tag` set.
    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.params.set_value("tag", tag);
        self
    }

    /// The `q` parameter in thousandths (RFC 3261 section 20.10), 1000 where it is absent.
    pub fn q_thousandths(&self) -> u16 {
        let Some(q) = self.params.value("q") else {
            return 1000;
        };
        let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
        let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
        match (whole, digits.parse::<u16>()) {
            ("0" | "", Ok(thousandths)) => thousandths,
            _ => 1000,
        }
    }
}

/// An address cut up, nothing of it read yet but its quotes.
struct Parts<'a> {
    /// As it is written; empty where there is none.
    display: &'a str,
    uri: &'a str,
    params: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Parts<'a>, HeaderError> {
        let text = text.trim_ascii();
        if text.starts_with('"') {
            let length = quoted_length(text).ok_or(HeaderError::Unclosed)?;
            let (quoted, rest) = text.split_at_checked(length).ok_or(HeaderError::Unclosed)?;
            let rest = rest
                .trim_ascii_start()
                .strip_prefix('<')
                .ok_or(HeaderError::Params)?;
            return Parts::bracketed(quoted, rest);
        }
        match cut(text, b'<') {
            Some((display, rest))
                if !display
                    .bytes()
                    .any(|byte| matches!(byte, b'"' | b';' | b'=')) =>
            {
                Parts::bracketed(display, rest)
            }
            _ => Parts::bare(text),
        }
    }

    fn bracketed(display: &'a str, rest: &'a str) -> Result<Parts<'a>, HeaderError> {
        let (uri, params) = cut(rest, b'>').ok_or(HeaderError::Unclosed)?;
        let params = params.trim_ascii_start();
        if !params.is_empty() && !params.starts_with(';') {
            return Err(HeaderError::Params);
        }
        Ok(Parts {
            display,
            uri: uri.trim_ascii(),
            params,
        })
    }

    fn bare(text: &'a str) -> Result<Parts<'a>, HeaderError> {
        let (uri, params) = match find_outside(text, |byte| byte == b';') {
            Some(at) => text.split_at_checked(at).ok_or(HeaderError::Params)?,
            None => (text, ""),
        };
        let uri = uri.trim_ascii_end();
        if uri.bytes().any(|byte| matches!(byte, b',' | b'?')) {
            return Err(HeaderError::Uri(crate::error::UriError::Character));
        }
        Ok(Parts {
            display: "",
            uri,
            params,
        })
    }

    /// The display name; a quoted one counts even if it is empty.
    fn display(&self) -> Option<String> {
        if self.display.starts_with('"') {
            return Some(unquote(self.display).into_owned());
        }
        let words = self
            .display
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        (!words.is_empty()).then_some(words)
    }
}

impl FromStr for NameAddr {
    type Err = HeaderError;
    fn from_str(text: &str) -> Result<NameAddr, HeaderError> {
        NameAddr::parse(text)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write_quoted(f, display)?;
            f.write_str(" ")?;
        }
        f.write_str("<")?;
        fmt::Display::fmt(&self.uri, f)?;
        f.write_str(">")?;
        fmt::Display::fmt(&self.params, f)
    }
}

impl From<NameAddr> for Text {
    fn from(address: NameAddr) -> Self {
        Text::written(&address)
    }
}

/// What the Contact headers of a message say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `Contact: *`, which removes every binding (RFC 3261 section 10.2.2).
    Star,
    /// The addresses in order; may be none.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        self.list().first()
    }

    /// The addresses; none for a star.
    pub fn list(&self) -> &[NameAddr] {
        match self {
            Contacts::Star => &[],
            Contacts::List(list) => list,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_forms_parse() {
        let full =
            NameAddr::parse(r#" "A \"B\" <x>" <sip:john.doe@[::1]:5070;lr?a=b> ;tag=1"#).unwrap();
        assert_eq!(full.display.as_deref(), Some(r#"A "B" <x>"#));
        assert_eq!(full.uri.user.as_deref(), Some("john.doe"));
        assert_eq!(full.uri.port, Some(5070));
        assert_eq!(full.tag(), Some("1"));
        let bare = NameAddr::parse("sip:a@b.c;tag=2").unwrap();
        assert!(bare.uri.params.is_empty());
        assert_eq!(bare.tag(), Some("2"));
        let tokens = NameAddr::parse("Anna  Maria <tel:+41-44>;q=0.5").unwrap();
        assert_eq!(tokens.display.as_deref(), Some("Anna Maria"));
        assert_eq!(tokens.q_thousandths(), 500);
    }

    #[test]
    fn what_it_writes_it_reads() {
        for text in [
            "\"a\\\\b\" <sip:x@y>;tag=1;z",
            "<sips:h>",
            "Ü <sip:u;x@h>",
            "tel:911;tag=x",
        ] {
            let once = NameAddr::parse(text).unwrap();
            assert_eq!(NameAddr::parse(&once.to_string()).unwrap(), once, "{text}");
        }
    }

    #[test]
    fn broken_ones_are_refused() {
        for bad in [
            "",
            "<",
            "\"Mr. J. User <sip:j@x>",
            "<sip:a@b",
            "\"a\" sip:a@b",
            "<sip:a@b>x",
            "sip:a@b?c=d",
            "< sip:a b@c>",
            "\"a\"b <sip:a@b>",
        ] {
            assert!(NameAddr::parse(bad).is_err(), "{bad}");
        }
    }
}
