//! Percent escapes (RFC 3261 section 25.1, `escaped`).

/// True for the characters that never need an escape (`unreserved`).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
        )
}

/// Escapes every byte that is not `unreserved`, so that the result may stand in any part of a URI.
pub fn escape(text: &str) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| HEX.get(usize::from(nibble & 15)).copied().unwrap_or('0');
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(digit(byte >> 4));
            out.push(digit(byte));
        }
    }
    out
}

/// Decodes escapes. A percent sign that begins none stays as it is; bytes that are not UTF-8 become
/// U+FFFD.
pub fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%'
            && let Some(([high, low], after)) = tail.split_first_chunk::<2>().map(|(a, b)| (*a, b))
            && let (Some(high), Some(low)) = (nibble(high), nibble(low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(byte);
        }
    }
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let text = "sip:anna@[2001:db8::1]:5060;transport=tcp?a=b&c=% ü";
        let escaped = escape(text);
        assert!(
            escaped
                .bytes()
                .all(|byte| byte == b'%' || is_unreserved(byte))
        );
        assert_eq!(unescape(&escaped), text);
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%4"), "%zz%4");
        assert_eq!(unescape("%61%6c"), "al");
        assert_eq!(unescape("%ff"), "\u{fffd}");
    }
}
