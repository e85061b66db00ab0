//! Makes the `o=` lines that phones send fit for the parser.

use std::borrow::Cow;

/// Most digits that surely fit 64 bits.
const SAFE_DIGITS: usize = 18;

/// The description with a sound `o=` line: white space in the user name becomes `_`, a version longer
/// than 64 bits keeps its last digits (it is only ever compared and counted up).
pub(super) fn origin(body: &[u8]) -> Cow<'_, [u8]> {
    let mut at = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"m=") {
            break;
        }
        if let Some(rest) = line.strip_prefix(b"o=") {
            let content = rest.trim_ascii_end();
            let Some(fixed) = fix(content) else { break };
            let start = at + 2;
            let mut out = Vec::with_capacity(body.len());
            out.extend_from_slice(body.get(..start).unwrap_or_default());
            out.extend_from_slice(&fixed);
            out.extend_from_slice(body.get(start + content.len()..).unwrap_or_default());
            return Cow::Owned(out);
        }
        at += line.len();
    }
    Cow::Borrowed(body)
}

/// A sound line for `content`; `None` where nothing needs to be changed or can be.
fn fix(content: &[u8]) -> Option<Vec<u8>> {
    let words: Vec<&[u8]> = content
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect();
    let names = words.len().checked_sub(5)?;
    let (name, rest) = words.split_at_checked(names)?;
    let version = *rest.get(1)?;
    let long = version.len() > SAFE_DIGITS && version.iter().all(u8::is_ascii_digit);
    let plain = content.split(|&byte| byte == b' ').count() == words.len();
    if names == 1 && !long && plain {
        return None;
    }
    let mut out = if name.is_empty() {
        b"-".to_vec()
    } else {
        name.join(&b'_')
    };
    for (index, word) in rest.iter().enumerate() {
        out.push(b' ');
        let word = match index {
            1 if long => word.get(word.len() - SAFE_DIGITS..).unwrap_or(word),
            _ => word,
        };
        out.extend_from_slice(word);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> String {
        String::from_utf8_lossy(&origin(text.as_bytes())).into_owned()
    }

    #[test]
    fn names_with_spaces_become_one_word() {
        assert_eq!(
            fixed("v=0\r\no=John  Doe 1 2 IN IP4 10.0.0.1\r\ns=-\r\n"),
            "v=0\r\no=John_Doe 1 2 IN IP4 10.0.0.1\r\ns=-\r\n"
        );
        assert_eq!(
            fixed("v=0\no= 1 2 IN IP4 h\ns=-\n"),
            "v=0\no=- 1 2 IN IP4 h\ns=-\n"
        );
    }

    #[test]
    fn sound_and_hopeless_lines_stay() {
        for text in [
            "v=0\r\no=- 1 2 IN IP4 h\r\n",
            "o=1 2\r\n",
            "",
            "m=audio\no=a b 1 2 IN IP4 h\n",
        ] {
            assert_eq!(fixed(text), text);
        }
    }

    #[test]
    fn long_versions_are_cut() {
        assert_eq!(
            fixed("o=- 1 123456789012345678901234 IN IP4 h\n"),
            "o=- 1 789012345678901234 IN IP4 h\n"
        );
    }
}
