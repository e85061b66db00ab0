//! [`Params`]: the `;name=value` lists of URIs and headers.

use std::borrow::Cow;
use std::fmt;

use crate::error::HeaderError;
use crate::limits::MAX_PARAMS;
use crate::scan::{
    bytes_among, cut, find_outside, has_any, quoted_length, split_once_outside, unquote,
};
use crate::text::Text;

/// Ordered parameters, names compared without case.
///
/// Values stand as they were written: quoted strings keep their quotes ([`Params::unquoted`] undoes
/// them), URI escapes stay escaped (see [`crate::uri::unescape`]).
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(Text, Option<Text>)>);

impl Params {
    /// No parameters.
    pub const fn new() -> Params {
        Params(Vec::new())
    }

    /// The value of `name`: `None` where absent, `Some(None)` where it has no value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        let (_, value) = self
            .0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.as_deref())
    }

    /// The value of `name` where it is present and has a value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten()
    }

    /// The value of `name` without quotes and their escapes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(unquote)
    }

    /// True where `name` is present, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets `name` to `value` in place, or adds it at the end. The value must be written as it is to
    /// be sent (see [`crate::quote`] and [`crate::uri::escape`]).
    pub fn set<V: Into<Text>>(&mut self, name: &str, value: Option<V>) {
        let value = value.map(Into::into);
        match self
            .0
            .iter_mut()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
        {
            Some(entry) => entry.1 = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Sets `name` with a value.
    pub fn set_value(&mut self, name: &str, value: impl Into<Text>) {
        self.set(name, Some(value));
    }

    /// Sets `name` as a flag without a value.
    pub fn set_flag(&mut self, name: &str) {
        self.set(name, None::<Text>);
    }

    /// Removes every parameter called `name`; true where there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.0.len() != before
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses `;a=b;c` (the first semicolon may be missing) as in headers: white space around
    /// separators is allowed, values may be quoted.
    ///
    /// # Errors
    /// [`HeaderError::Params`] on an empty name or an unclosed quote, [`HeaderError::TooMany`] above
    /// [`MAX_PARAMS`].
    pub fn parse(text: &str) -> Result<Params, HeaderError> {
        let mut params = Params::new();
        Params::scan(text, |name, value| params.add(name, value))?;
        Ok(params)
    }

    /// Checks a list as [`Params::parse`] does, and gives each parameter to `each`.
    pub(crate) fn scan<'a>(
        text: &'a str,
        mut each: impl FnMut(&'a str, Option<&'a str>) -> Result<(), HeaderError>,
    ) -> Result<(), HeaderError> {
        let text = text.trim_ascii();
        let mut rest = Some(text.strip_prefix(';').unwrap_or(text));
        let mut count = 0;
        while let Some(current) = rest {
            let (item, next) = match split_once_outside(current, b';') {
                Some((item, next)) => (item, Some(next)),
                None => (current, None),
            };
            rest = next;
            let item = item.trim_ascii();
            // A stray semicolon is harmless and common.
            if !item.is_empty() {
                let (name, value) = header_param(item)?;
                count += 1;
                if count > MAX_PARAMS {
                    return Err(HeaderError::TooMany);
                }
                each(name, value)?;
            }
        }
        Ok(())
    }

    /// The value of the parameter `name` in a list that has been checked before.
    pub(crate) fn find<'a>(text: &'a str, name: &str) -> Option<&'a str> {
        let mut found = None;
        let _ = Params::scan(text, |key, value| {
            if found.is_none() && key.eq_ignore_ascii_case(name) {
                found = value;
            }
            Ok(())
        });
        found
    }

    /// Adds a parameter without looking whether it is there.
    pub(crate) fn add(&mut self, name: &str, value: Option<&str>) -> Result<(), HeaderError> {
        if self.0.len() >= MAX_PARAMS {
            return Err(HeaderError::TooMany);
        }
        self.0.push((name.into(), value.map(Text::from)));
        Ok(())
    }
}

/// Name and value of one parameter.
fn header_param(item: &str) -> Result<(&str, Option<&str>), HeaderError> {
    let (name, value) = match cut(item, b'=') {
        Some((name, value)) => (name.trim_ascii_end(), Some(value.trim_ascii_start())),
        None => (item, None),
    };
    if name.is_empty() || has_any(name, &MISPLACED) {
        return Err(HeaderError::Params);
    }
    match value {
        // Most values hold nothing that means anything.
        Some(value) if has_any(value, &MISPLACED) && !is_sound(value) => Err(HeaderError::Params),
        value => Ok((name, value)),
    }
}

/// Bytes that stand in no name, and in a value only by its own rules.
const MISPLACED: [bool; 256] = bytes_among(0, b"\"<> \t,");

/// Whether a value that holds quotes, brackets, white space or commas is one value.
fn is_sound(value: &str) -> bool {
    if value.starts_with('"') {
        return quoted_length(value) == Some(value.len());
    }
    find_outside(value, |byte| matches!(byte, b',' | b' ' | b'\t')).is_none()
        && !value.contains('"')
}

impl PartialEq for Params {
    /// Same parameters in the same order, names without case, values with it.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(a, b)| a.0.eq_ignore_ascii_case(&b.0) && a.1 == b.1)
    }
}

impl Eq for Params {}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            f.write_str(";")?;
            f.write_str(name)?;
            if let Some(value) = value {
                f.write_str("=")?;
                f.write_str(value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quoted_values_may_hold_separators() {
        let params =
            Params::parse(r#";lr;+sip.instance="<urn:uuid:1;2>" ; Expires = 60;;x="a\"=;b""#)
                .unwrap();
        assert_eq!(params.get("LR"), Some(None));
        assert_eq!(params.value("expires"), Some("60"));
        assert_eq!(params.unquoted("+sip.instance").unwrap(), "<urn:uuid:1;2>");
        assert_eq!(params.unquoted("x").unwrap(), "a\"=;b");
        assert_eq!(params.get("nope"), None);
    }

    #[test]
    fn bad_lists_are_refused() {
        for bad in [";=x", ";a=\"b", ";a b=c", ";a=b c", ";a=\"b\"c", ";a=b,c"] {
            assert_eq!(Params::parse(bad), Err(HeaderError::Params), "{bad}");
        }
        let many = ";a".repeat(MAX_PARAMS + 1);
        assert_eq!(Params::parse(&many), Err(HeaderError::TooMany));
    }

    #[test]
    fn set_replaces_in_place() {
        let mut params = Params::parse(";a=1;b=2").unwrap();
        params.set_value("A", "3");
        params.set_flag("c");
        assert_eq!(params.to_string(), ";a=3;b=2;c");
        assert!(params.remove("b"));
        assert!(!params.remove("b"));
    }
}
