//! Equality of URIs (RFC 3261 section 19.1.4, RFC 3966 section 4).

use super::{Scheme, Uri, unescape};
use crate::params::Params;

/// Parameters that must not stand on one side only. `transport` is no word of that rule, but the
/// section's own examples hold URIs with and without it to be different.
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

pub(super) fn equivalent(a: &Uri, b: &Uri) -> bool {
    if a.scheme != b.scheme {
        return false;
    }
    match a.scheme {
        Scheme::Other(_) => a.opaque == b.opaque,
        Scheme::Tel => {
            digits(a.user.as_deref().unwrap_or(""))
                .eq_ignore_ascii_case(&digits(b.user.as_deref().unwrap_or("")))
                && a.params.len() == b.params.len()
                && a.params.iter().all(|(name, _)| b.params.contains(name))
                && values_within(&a.params, &b.params)
                && values_within(&b.params, &a.params)
        }
        Scheme::Sip | Scheme::Sips => {
            a.user_unescaped() == b.user_unescaped()
                && a.password.as_deref().map(unescape) == b.password.as_deref().map(unescape)
                && a.host == b.host
                && a.port == b.port
                && params(&a.params, &b.params)
                && headers_within(a, b)
                && headers_within(b, a)
        }
    }
}

fn params(a: &Params, b: &Params) -> bool {
    let decisive = DECISIVE
        .iter()
        .all(|name| a.contains(name) == b.contains(name));
    decisive && values_within(a, b) && values_within(b, a)
}

/// Whether each value in `a` of a name that `b` has too is one of those there: a name that wrongly
/// stands twice makes no URI differ from itself.
fn values_within(a: &Params, b: &Params) -> bool {
    a.iter().all(|(name, value)| {
        let mut others = b
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .peekable();
        others.peek().is_none() || others.any(|(_, other)| same(value, other))
    })
}

fn same(value: Option<&str>, other: Option<&str>) -> bool {
    match (value, other) {
        (None, None) => true,
        (Some(a), Some(b)) => unescape(a).eq_ignore_ascii_case(&unescape(b)),
        _ => false,
    }
}

fn headers_within(a: &Uri, b: &Uri) -> bool {
    a.headers.iter().all(|(name, value)| {
        b.headers.iter().any(|(other, theirs)| {
            unescape(name).eq_ignore_ascii_case(&unescape(other))
                && unescape(value) == unescape(theirs)
        })
    })
}

/// A telephone number without its visual separators.
pub(super) fn digits(number: &str) -> String {
    number
        .chars()
        .filter(|char| !matches!(char, '-' | '.' | '(' | ')'))
        .collect()
}
