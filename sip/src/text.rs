//! [`Text`]: a cheap to clone string that may be a slice of a received message.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use arrayvec::ArrayString;
use bytes::Bytes;
use bytestring::ByteString;

use crate::address::{self, Written};

/// Longest text, in bytes, that is held in place rather than in a shared buffer.
pub const INLINE_TEXT_BYTES: usize = 32;

/// Room for most header values.
const USUAL_BYTES: usize = 160;

/// A string that is cheap to clone: short texts are held in place, longer ones share a buffer.
///
/// SIP is UTF-8 (RFC 3261 section 25.1), but old equipment sends Latin-1 in display names and
/// reason phrases. Such bytes are kept as they came: [`Text::wire`] gives them back unchanged, while
/// the `str` view shows them decoded as Latin-1, so that every byte is one character and no byte is
/// lost. Equality, order and hashing go by the `str` view.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Inline(ArrayString<INLINE_TEXT_BYTES>),
    Shared(ByteString),
    Latin1(Arc<Latin1>),
}

struct Latin1 {
    wire: Bytes,
    view: String,
}

impl Text {
    /// The empty text.
    pub const fn new() -> Text {
        Text(Repr::Inline(ArrayString::new_const()))
    }

    /// A text over a constant, without copying.
    pub fn from_static(text: &'static str) -> Text {
        Text(Repr::Shared(ByteString::from_static(text)))
    }

    /// A text over received bytes: no copy beyond [`INLINE_TEXT_BYTES`] unless they are not UTF-8.
    pub fn from_wire(wire: Bytes) -> Text {
        if wire.len() <= INLINE_TEXT_BYTES
            && let Some(inline) = std::str::from_utf8(&wire).ok().and_then(Repr::inline)
        {
            return Text(inline);
        }
        match ByteString::try_from(wire.clone()) {
            Ok(text) => Text(Repr::Shared(text)),
            Err(_) => {
                let view = wire.iter().map(|&byte| char::from(byte)).collect();
                Text(Repr::Latin1(Arc::new(Latin1 { wire, view })))
            }
        }
    }

    /// The text as `str`.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Inline(text) => text,
            Repr::Shared(text) => text,
            Repr::Latin1(latin1) => &latin1.view,
        }
    }

    /// The bytes to put on the wire: those that were received, where the text was received.
    pub fn wire(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(text) => text.as_bytes(),
            Repr::Shared(text) => text.as_bytes(),
            Repr::Latin1(latin1) => &latin1.wire,
        }
    }

    /// True where the bytes received were not UTF-8.
    pub fn is_latin1(&self) -> bool {
        matches!(self.0, Repr::Latin1(_))
    }

    /// All `parts`, one after the other.
    pub fn joined(parts: &[&str]) -> Text {
        let mut out = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| out.push_str(part));
        out.into()
    }

    /// What `value` writes, in place where it is short.
    pub fn written(value: &impl fmt::Display) -> Text {
        use fmt::Write;
        let mut out = Piecewise::default();
        // Neither part of it can fail.
        let _ = write!(out, "{value}");
        match out.beyond {
            Some(text) => Text(Repr::Shared(ByteString::from(text))),
            None => Text(Repr::Inline(out.place)),
        }
    }

    /// The same text in a buffer of its own: what is kept for long must not keep the whole message
    /// that it is a slice of.
    pub(crate) fn detached(&self) -> Text {
        match &self.0 {
            Repr::Inline(_) => self.clone(),
            Repr::Shared(text) => Text::from(&**text),
            Repr::Latin1(latin1) => Text::from_wire(Bytes::copy_from_slice(&latin1.wire)),
        }
    }

    /// This text with `suffix` after it; received bytes stay as they were.
    pub fn with_suffix(&self, suffix: &str) -> Text {
        if let Repr::Inline(_) | Repr::Shared(_) = self.0 {
            return Text::joined(&[self, suffix]);
        }
        let mut wire = Vec::with_capacity(self.wire().len() + suffix.len());
        wire.extend_from_slice(self.wire());
        wire.extend_from_slice(suffix.as_bytes());
        Text::from_wire(Bytes::from(wire))
    }
}

/// Received bytes that many texts are parts of: what of them is UTF-8 is found out once.
pub(crate) struct Source {
    bytes: Bytes,
    /// As far as they are UTF-8.
    text: ByteString,
}

impl Source {
    pub(crate) fn new(bytes: Bytes) -> Source {
        let text = ByteString::try_from(bytes.clone()).unwrap_or_else(|error| {
            let sound = bytes.slice(..error.valid_up_to());
            ByteString::try_from(sound).unwrap_or_default()
        });
        Source { bytes, text }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A text over `part`, which must be a part of the bytes: short ones leave them alone.
    pub(crate) fn text(&self, part: &[u8]) -> Text {
        let from = part
            .as_ptr()
            .addr()
            .wrapping_sub(self.bytes.as_ptr().addr());
        let Some(text) = self.text.get(from..from.saturating_add(part.len())) else {
            return Text::from_wire(self.bytes.slice_ref(part));
        };
        match Repr::inline(text) {
            Some(inline) => Text(inline),
            None => Text(Repr::Shared(self.text.slice_ref(text))),
        }
    }
}

/// A text that is being written: in place until it is too long for that.
#[derive(Default)]
struct Piecewise {
    place: ArrayString<INLINE_TEXT_BYTES>,
    beyond: Option<String>,
}

impl fmt::Write for Piecewise {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if let Some(beyond) = &mut self.beyond {
            beyond.push_str(part);
        } else if self.place.try_push_str(part).is_err() {
            let mut beyond = String::with_capacity(USUAL_BYTES.max(self.place.len() + part.len()));
            beyond.push_str(&self.place);
            beyond.push_str(part);
            self.beyond = Some(beyond);
        }
        Ok(())
    }
}

impl Repr {
    fn inline(text: &str) -> Option<Repr> {
        ArrayString::from(text).ok().map(Repr::Inline)
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::new()
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        match Repr::inline(text) {
            Some(inline) => Text(inline),
            None => Text(Repr::Shared(ByteString::from(text))),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        match Repr::inline(&text) {
            Some(inline) => Text(inline),
            None => Text(Repr::Shared(ByteString::from(text))),
        }
    }
}

impl From<&Written<IpAddr>> for Text {
    fn from(ip: &Written<IpAddr>) -> Self {
        match ip.0 {
            IpAddr::V4(v4) => Text::from(&*address::v4(v4)),
            IpAddr::V6(v6) => Text::from(v6.to_string()),
        }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Text::from(text.as_str())
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other.as_str()
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn latin1_comes_out_unchanged() {
        let text = Text::from_wire(Bytes::from_static(b"Z\xfcrich"));
        assert_eq!(text, "Z\u{fc}rich");
        assert_eq!(text.wire(), b"Z\xfcrich");
        assert_eq!(text.with_suffix(";tag=1").wire(), b"Z\xfcrich;tag=1");
    }

    #[test]
    fn a_detached_text_says_the_same() {
        let long = Bytes::from(vec![b'x'; INLINE_TEXT_BYTES + 1]);
        let text = Text::from_wire(long.clone());
        assert!(!long.is_unique());
        let detached = text.detached();
        assert_eq!(detached, text);
        drop(text);
        assert!(long.is_unique());
        let latin1 = Text::from_wire(Bytes::from_static(b"Z\xfcrich")).detached();
        assert_eq!(latin1.wire(), b"Z\xfcrich");
    }

    #[test]
    fn short_and_long_texts_compare_by_content() {
        let long = "x".repeat(INLINE_TEXT_BYTES + 1);
        assert_eq!(Text::from(long.as_str()), Text::from(long.clone()));
        assert_eq!(Text::from("abc"), Text::from_static("abc"));
        assert_eq!(String::from(Text::from("abc")), "abc");
    }

    #[test]
    fn what_is_written_in_pieces_is_whole_however_long() {
        for length in 0..INLINE_TEXT_BYTES * 3 {
            let (half, rest) = (
                "\u{fc}".repeat(length / 4),
                "x".repeat(length - length / 4 * 2),
            );
            let text = Text::written(&format_args!("{half}{rest}{length}"));
            assert_eq!(text, format!("{half}{rest}{length}"));
            assert_eq!(text.wire(), format!("{half}{rest}{length}").as_bytes());
        }
    }
}
