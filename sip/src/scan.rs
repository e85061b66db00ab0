//! Scanning helpers shared by the parsers: quotes, angle brackets, tokens.

use std::borrow::Cow;
use std::fmt;

/// Which bytes are below `least` or among `these`: one look for each byte of a text, where comparisons
/// would be several.
#[allow(
    clippy::indexing_slicing,
    reason = "the compiler runs it: an index out of bounds would not build"
)]
pub(crate) const fn bytes_among(least: u8, these: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < least as usize {
        table[at] = true;
        at += 1;
    }
    let mut at = 0;
    while at < these.len() {
        table[these[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether a byte of `text` is in `table`.
pub(crate) fn has_any(text: &str, table: &[bool; 256]) -> bool {
    let is_in = |byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
    text.bytes().any(is_in)
}

/// True for the characters of a `token` (RFC 3261 section 25.1).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    #[allow(
        clippy::indexing_slicing,
        reason = "the compiler runs it: an index out of bounds would not build"
    )]
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < table.len() {
            let character = byte as u8;
            table[byte] = character.is_ascii_alphanumeric()
                || matches!(
                    character,
                    b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
                );
            byte += 1;
        }
        table
    };
    TOKEN.get(usize::from(byte)).copied().unwrap_or_default()
}

/// True for a non-empty `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Splits `text` at the first `separator`, an ASCII character. What is split is short, so that this
/// takes a fraction of what [`str::split_once`] does.
pub(crate) fn cut(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Splits `text` at the first `separator` that stands outside quotes and angle brackets.
///
/// `None` where there is none. An unclosed quote or bracket swallows the rest, which the parser of
/// the piece then refuses.
pub(crate) fn split_once_outside(text: &str, separator: u8) -> Option<(&str, &str)> {
    // Nearly always nothing is quoted or bracketed before the first separator.
    let at = match memchr::memchr3(separator, b'"', b'<', text.as_bytes())? {
        at if text.as_bytes().get(at) == Some(&separator) => at,
        _ => find_outside(text, |byte| byte == separator)?,
    };
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Position of the first byte outside quotes and angle brackets for which `wanted` holds.
pub(crate) fn find_outside(text: &str, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped, mut angled) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' if !angled => quoted = !quoted,
            _ if quoted => {}
            _ if !angled && wanted(byte) => return Some(at),
            b'<' => angled = true,
            b'>' => angled = false,
            _ => {}
        }
    }
    None
}

/// The elements of a comma-separated header value (RFC 3261 section 7.3.1), trimmed, without empty
/// ones; commas within quotes or angle brackets do not separate.
pub fn split_commas(value: &str) -> SplitCommas<'_> {
    SplitCommas { rest: Some(value) }
}

/// Iterator of [`split_commas`].
#[derive(Clone, Debug)]
pub struct SplitCommas<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for SplitCommas<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while let Some(rest) = self.rest {
            let (item, rest) = match split_once_outside(rest, b',') {
                Some((item, rest)) => (item, Some(rest)),
                None => (rest, None),
            };
            self.rest = rest;
            let item = item.trim();
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// What a quoted string says, without quotes and escapes; other text is returned as it is.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.extend(chars.next()),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// Writes `text` as a quoted string (RFC 3261 section 25.1).
pub(crate) fn write_quoted(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            f.write_char('\\')?;
        }
        // A line end can be quoted no way; it would end the header.
        f.write_char(if matches!(char, '\r' | '\n') {
            ' '
        } else {
            char
        })?;
    }
    f.write_char('"')
}

/// `text` as a quoted string.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    // Writing to a String cannot fail.
    let _ = write_quoted(&mut out, text);
    out
}

/// Length of the quoted string at the start of `text`, quotes included; `None` where it is not
/// closed or `text` does not start with a quote.
pub(crate) fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if at == 0 => {}
            _ if at == 0 => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let value = r#" "a, \"b" <sip:a,b@c;x=1,2>;q=1 ,, <sip:d> "#;
        let items: Vec<_> = split_commas(value).collect();
        assert_eq!(items, [r#""a, \"b" <sip:a,b@c;x=1,2>;q=1"#, "<sip:d>"]);
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        for text in ["", "a", r#"a"b\c"#, "\\\"", "ü"] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(unquote("token"), "token");
    }

    #[test]
    fn quoted_length_wants_the_closing_quote() {
        assert_eq!(quoted_length(r#""a\"b" rest"#), Some(6));
        assert_eq!(quoted_length(r#""a\""#), None);
        assert_eq!(quoted_length("a"), None);
        assert_eq!(quoted_length(""), None);
    }
}
