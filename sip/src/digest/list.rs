//! The comma-separated parameters of the authentication headers.

use std::borrow::Cow;

use super::DigestError;
use crate::scan::{split_commas, unquote};

/// Most parameters in one header.
const MAX_PARAMETERS: usize = 32;

/// Parameters after the scheme's word.
pub(super) struct List<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> List<'a> {
    /// Parses `Digest a=b, c="d"`.
    pub(super) fn parse(text: &'a str) -> Result<List<'a>, DigestError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once([' ', '\t']).ok_or(DigestError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::Scheme);
        }
        let mut list = Vec::new();
        for item in split_commas(rest) {
            let (name, value) = item.split_once('=').ok_or(DigestError::Syntax)?;
            let (name, value) = (name.trim(), value.trim());
            let unclosed =
                value.starts_with('"') && crate::scan::quoted_length(value) != Some(value.len());
            // A parameter given twice could mean one thing to us and another to someone else.
            let repeated = list
                .iter()
                .any(|(other, _): &(&str, _)| other.eq_ignore_ascii_case(name));
            if name.is_empty() || unclosed || repeated || list.len() >= MAX_PARAMETERS {
                return Err(DigestError::Syntax);
            }
            list.push((name, unquote(value)));
        }
        Ok(List(list))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }

    pub(super) fn need(&self, name: &'static str) -> Result<String, DigestError> {
        self.get(name)
            .map(str::to_owned)
            .ok_or(DigestError::Missing(name))
    }
}
