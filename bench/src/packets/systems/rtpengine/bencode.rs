//! Bencoding, as the ng protocol uses it: integers, byte strings, lists, dictionaries.
//!
//! Strict where it matters: numbers have one spelling, nothing follows the value, and depth is
//! limited. Keys may come in any order, since rtpengine does not sort them.

use std::fmt::Write as _;

/// Lists and dictionaries inside each other; deeper input is refused.
pub(super) const MAX_DEPTH: usize = 16;
/// Most digits of a string's length: more than any datagram holds.
const MAX_LENGTH_DIGITS: usize = 6;

/// A value, borrowed from the datagram that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `i42e`.
    Integer(i64),
    /// `4:text`.
    Bytes(&'a [u8]),
    /// `l…e`.
    List(Vec<Value<'a>>),
    /// `d…e`, in the order of the datagram.
    Dictionary(Vec<(&'a [u8], Value<'a>)>),
}

/// Why a datagram is not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// It ends too early.
    #[error("it ends too early")]
    Truncated,
    /// A byte that cannot stand there.
    #[error("unexpected byte at {0}")]
    Unexpected(usize),
    /// A number with a leading zero, without digits, or too large.
    #[error("bad number at {0}")]
    Number(usize),
    /// More than [`MAX_DEPTH`] levels.
    #[error("more than {MAX_DEPTH} levels")]
    Depth,
    /// Bytes after the value.
    #[error("bytes after the value")]
    Trailing,
}

impl<'a> Value<'a> {
    /// Reads one value and nothing else.
    pub fn decode(input: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader { input, at: 0 };
        let value = reader.value(MAX_DEPTH)?;
        if reader.at < input.len() {
            return Err(DecodeError::Trailing);
        }
        Ok(value)
    }

    /// What a dictionary holds under a key.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Value::Dictionary(entries) = self else {
            return None;
        };
        let found = entries.iter().find(|(name, _)| *name == key.as_bytes());
        found.map(|(_, value)| value)
    }

    /// A byte string that is text.
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// An integer.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, levels: usize) -> Result<Value<'a>, DecodeError> {
        let inner = levels.checked_sub(1).ok_or(DecodeError::Depth)?;
        match self.peek()? {
            b'i' => {
                self.at += 1;
                let number = self.number(b'e')?;
                Ok(Value::Integer(number))
            }
            b'0'..=b'9' => self.bytes().map(Value::Bytes),
            b'l' => self.list(inner),
            b'd' => self.dictionary(inner),
            _ => Err(DecodeError::Unexpected(self.at)),
        }
    }

    fn list(&mut self, levels: usize) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut items = Vec::new();
        while self.peek()? != b'e' {
            items.push(self.value(levels)?);
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn dictionary(&mut self, levels: usize) -> Result<Value<'a>, DecodeError> {
        self.at += 1;
        let mut entries = Vec::new();
        while self.peek()? != b'e' {
            if !self.peek()?.is_ascii_digit() {
                return Err(DecodeError::Unexpected(self.at));
            }
            entries.push((self.bytes()?, self.value(levels)?));
        }
        self.at += 1;
        Ok(Value::Dictionary(entries))
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.at;
        let length = self.number(b':')?;
        if self.at - start > MAX_LENGTH_DIGITS + 1 {
            return Err(DecodeError::Number(start));
        }
        let length = usize::try_from(length).map_err(|_| DecodeError::Number(start))?;
        let end = self.at.checked_add(length).ok_or(DecodeError::Truncated)?;
        let bytes = self.input.get(self.at..end);
        self.at = end;
        bytes.ok_or(DecodeError::Truncated)
    }

    /// A decimal number and the byte that ends it.
    fn number(&mut self, end: u8) -> Result<i64, DecodeError> {
        let start = self.at;
        let rest = self.input.get(start..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == end)
            .ok_or(DecodeError::Truncated)?;
        let bad = DecodeError::Number(start);
        let text = rest.get(..length).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| bad)?;
        let number: i64 = text.parse().map_err(|_| bad)?;
        // One spelling only: no plus, no leading zero, no minus zero.
        if number.to_string() != text {
            return Err(bad);
        }
        self.at += length + 1;
        Ok(number)
    }

    fn peek(&self) -> Result<u8, DecodeError> {
        self.input
            .get(self.at)
            .copied()
            .ok_or(DecodeError::Truncated)
    }
}

/// Writes a dictionary of texts and lists of texts, with its keys in order.
#[derive(Debug, Default)]
pub(super) struct Writer {
    entries: Vec<(&'static str, String)>,
}

impl Writer {
    /// Adds a text.
    pub fn text(mut self, key: &'static str, value: &str) -> Self {
        let mut encoded = String::with_capacity(value.len() + 8);
        string(&mut encoded, value);
        self.entries.push((key, encoded));
        self
    }

    /// Adds a list of texts.
    pub fn list(mut self, key: &'static str, values: &[&str]) -> Self {
        let mut encoded = String::from("l");
        values.iter().for_each(|value| string(&mut encoded, value));
        encoded.push('e');
        self.entries.push((key, encoded));
        self
    }

    /// The dictionary.
    pub fn finish(mut self) -> String {
        self.entries.sort_by_key(|(key, _)| *key);
        let mut all = String::from("d");
        for (key, encoded) in &self.entries {
            string(&mut all, key);
            all.push_str(encoded);
        }
        all.push('e');
        all
    }
}

fn string(into: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = write!(into, "{}:{text}", text.len());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_read() {
        let text = b"d6:result2:ok4:listli1ei-20e0:ee";
        let value = Value::decode(text).unwrap();
        assert_eq!(value.get("result").unwrap().text(), Some("ok"));
        let list = Value::List(vec![
            Value::Integer(1),
            Value::Integer(-20),
            Value::Bytes(b""),
        ]);
        assert_eq!(value.get("list"), Some(&list));
        assert_eq!(value.get("else"), None);
        assert_eq!(Value::decode(b"i0e").unwrap().integer(), Some(0));
        assert_eq!(Value::decode(b"de").unwrap(), Value::Dictionary(vec![]));
        assert_eq!(Value::decode(b"2:\xff\xfe").unwrap().text(), None);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = Writer::default()
            .text("sdp", "v=0\r\n")
            .text("command", "offer")
            .list("direction", &["pub", "priv"])
            .finish();
        assert_eq!(
            text,
            "d7:command5:offer9:directionl3:pub4:prive3:sdp5:v=0\r\ne"
        );
        let value = Value::decode(text.as_bytes()).unwrap();
        assert_eq!(value.get("sdp").unwrap().text(), Some("v=0\r\n"));
    }

    #[test]
    fn anything_else_is_refused() {
        use DecodeError::{Number, Trailing, Truncated, Unexpected};
        for (text, error) in [
            ("", Truncated),
            ("i1", Truncated),
            ("4:abc", Truncated),
            ("99999999999999999999:a", Number(0)),
            ("9223372036854775807:a", Number(0)),
            ("9999999:a", Number(0)),
            ("li1e", Truncated),
            ("d1:a", Truncated),
            ("di1e1:ae", Unexpected(1)),
            ("x", Unexpected(0)),
            ("-1:a", Unexpected(0)),
            ("i01e", Number(1)),
            ("i-0e", Number(1)),
            ("i+1e", Number(1)),
            ("ie", Number(1)),
            ("01:a", Number(0)),
            ("i9223372036854775808e", Number(1)),
            ("i1ei2e", Trailing),
        ] {
            assert_eq!(Value::decode(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| "l".repeat(levels) + &"e".repeat(levels);
        assert!(Value::decode(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(
            Value::decode(nested(MAX_DEPTH + 1).as_bytes()),
            Err(DecodeError::Depth)
        );
        let endless = "l".repeat(60_000);
        assert_eq!(Value::decode(endless.as_bytes()), Err(DecodeError::Depth));
    }
}
