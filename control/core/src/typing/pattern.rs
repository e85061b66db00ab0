//! Patterns with `*` and `?`, and the part of a URI that they are compared with.

use crate::limits::{MAX_PATTERN_BYTES, MAX_SUBJECT_BYTES};

const SCHEMES: &[&str] = &["sip", "sips", "tel", "im", "pres"];

/// Why a pattern cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty, and would match nothing")]
    Empty,
    #[error("the pattern is longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    #[error("the pattern holds a control character")]
    Control,
}

/// A pattern over a whole text, without regard to the case of ASCII letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::Control);
        }
        Ok(Self { text: text.into() })
    }

    /// Compares at most the first [`MAX_SUBJECT_BYTES`] of the subject, in time of at most
    /// pattern times subject.
    pub fn matches(&self, subject: &str) -> bool {
        let subject = subject.as_bytes();
        glob(
            self.text.as_bytes(),
            subject.get(..MAX_SUBJECT_BYTES).unwrap_or(subject),
        )
    }

    pub fn matches_address(&self, address: &Address) -> bool {
        if scheme_of(&self.text).is_some() {
            self.matches(&address.full)
                || self.matches(
                    address
                        .full
                        .get(..address.full.len() - address.port_bytes)
                        .unwrap_or_default(),
                )
        } else {
            let bare = address.full.get(address.scheme_bytes..).unwrap_or_default();
            self.matches(bare)
                || self.matches(
                    bare.get(..bare.len().saturating_sub(address.port_bytes))
                        .unwrap_or_default(),
                )
        }
    }
}

/// Iterative glob: on a mismatch goes back to the last `*` only, so never exponential.
fn glob(pattern: &[u8], subject: &[u8]) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(&byte) = subject.get(s) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                back = Some((p, s));
                continue;
            }
            Some(b'?') => {
                p += 1;
                s = next_character(subject, s);
                continue;
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(&byte) => {
                p += 1;
                s += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, eaten)) = back else {
            return false;
        };
        p = after_star;
        s = eaten + 1;
        back = Some((after_star, s));
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

fn next_character(subject: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while subject.get(next).is_some_and(|b| b & 0xc0 == 0x80) {
        next += 1;
    }
    next
}

/// `scheme:user@host:port` of a URI: no password, no parameters, no headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    full: String,
    scheme_bytes: usize,
    port_bytes: usize,
}

impl Address {
    pub fn of(uri: &str) -> Self {
        let uri = match (uri.find('<'), uri.find('>')) {
            (Some(open), Some(close)) if open < close => uri.get(open + 1..close).unwrap_or(uri),
            _ => uri,
        }
        .trim();
        let (scheme, rest) = match scheme_of(uri) {
            Some(length) => uri.split_at(length),
            None => ("", uri),
        };
        // `;` and `?` may stand in the user part, `@` may not (RFC 3261 section 25.1).
        let (user, host) = match rest.split_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let host = host.split([';', '?']).next().unwrap_or_default();
        let mut full = scheme.to_string();
        if let Some(user) = user {
            full.push_str(user.split(':').next().unwrap_or_default());
            full.push('@');
        }
        full.push_str(host);
        Self {
            full,
            scheme_bytes: scheme.len(),
            port_bytes: port_bytes(host),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The scheme without its colon; empty without one.
    pub fn scheme(&self) -> &str {
        let scheme = self.full.get(..self.scheme_bytes).unwrap_or_default();
        scheme.trim_end_matches(':')
    }

    /// What stands before the `@`, or the number of a `tel` URI; empty without one.
    pub fn user(&self) -> &str {
        match self.bare().split_once('@') {
            Some((user, _)) => user,
            None if self.is_number() => self.bare(),
            None => "",
        }
    }

    /// The host without its port; empty for a `tel` URI.
    pub fn host(&self) -> &str {
        let bare = self.bare();
        let host = match bare.split_once('@') {
            Some((_, host)) => host,
            None if self.is_number() => "",
            None => bare,
        };
        let end = host.len().saturating_sub(self.port_bytes);
        host.get(..end).unwrap_or_default()
    }

    fn is_number(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("tel")
    }

    fn bare(&self) -> &str {
        self.full.get(self.scheme_bytes..).unwrap_or_default()
    }
}

/// The length of the scheme with its colon, if the text begins with a known one.
fn scheme_of(text: &str) -> Option<usize> {
    let (scheme, _) = text.split_once(':')?;
    SCHEMES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
        .then_some(scheme.len() + 1)
}

fn port_bytes(host: &str) -> usize {
    let after_address = host
        .rfind(']')
        .map_or(host, |at| host.get(at..).unwrap_or(""));
    after_address
        .rfind(':')
        .and_then(|at| after_address.get(at..))
        .filter(|port| port.len() > 1 && port.bytes().skip(1).all(|b| b.is_ascii_digit()))
        .map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, subject: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(subject)
    }

    fn called(pattern: &str, uri: &str) -> bool {
        Pattern::new(pattern)
            .unwrap()
            .matches_address(&Address::of(uri))
    }

    #[test]
    fn stars_and_question_marks() {
        assert!(matches("*", ""));
        assert!(matches("a*c", "abbbc") && matches("a*c", "ac") && !matches("a*c", "acb"));
        assert!(matches("a?c", "aXc") && !matches("a?c", "ac") && matches("?", "é"));
        assert!(matches("*ab*ab*", "xxabyyabzz") && !matches("*ab*ab*", "xxab"));
        assert!(matches("SUPPORT", "support") && !matches("support", "support "));
    }

    // A3
    #[test]
    fn patterns_for_uris_see_user_and_host() {
        let uri = "sip:Support;x=1:secret@example.com:5080;transport=tcp?a=b";
        for yes in [
            "support;x=1@example.com",
            "*@example.com:5080",
            "sip:*@example.com",
            "sip:*@EXAMPLE.com:5080",
            "support*",
        ] {
            assert!(called(yes, uri), "{yes}");
        }
        for no in [
            "support@example.com",
            "sips:*@example.com",
            "*secret*",
            "*tcp*",
        ] {
            assert!(!called(no, uri), "{no}");
        }
        assert!(called("a@[2001:db8::1]", "sip:a@[2001:db8::1]:5060"));
        assert!(called(
            "a@[2001:db8::1]",
            "\"A\" <sip:a@[2001:db8::1]>;tag=1"
        ));
        assert!(called("+41*", "tel:+41441234567;phone-context=x"));
        assert!(!called("sip:*", "tel:+41") && called("tel:+4?", "tel:+41"));
    }

    #[test]
    fn patterns_that_cannot_be_meant_are_refused() {
        assert_eq!(Pattern::new(""), Err(PatternError::Empty));
        assert_eq!(Pattern::new("a\nb"), Err(PatternError::Control));
        assert_eq!(Pattern::new(&"x".repeat(257)), Err(PatternError::TooLong));
    }

    fn slow(pattern: &[char], subject: &[char]) -> bool {
        match (pattern.first(), subject.first()) {
            (None, None) => true,
            (Some('*'), _) => {
                slow(&pattern[1..], subject)
                    || (!subject.is_empty() && slow(pattern, &subject[1..]))
            }
            (Some('?'), Some(_)) => slow(&pattern[1..], &subject[1..]),
            (Some(a), Some(b)) if a == b => slow(&pattern[1..], &subject[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_same_as_the_plain_definition(p in "[ab?*é]{1,8}", s in "[abé]{0,10}") {
            let (pc, sc): (Vec<char>, Vec<char>) = (p.chars().collect(), s.chars().collect());
            prop_assert_eq!(matches(&p, &s), slow(&pc, &sc));
        }

        #[test]
        fn any_text_has_an_address(uri in ".{0,80}") {
            let address = Address::of(&uri);
            for pattern in ["*", "sip:*"] {
                let _ = Pattern::new(pattern).unwrap().matches_address(&address);
            }
            prop_assert!(address.full.len() <= uri.len() + 1);
        }
    }
}
