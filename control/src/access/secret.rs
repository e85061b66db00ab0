//! The text of a token: `pb_`, its identifier, `_`, 256 random bits in hexadecimal digits.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What every token begins with, so that people and scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "pb_";
/// Random bytes of a token's secret part.
pub const SECRET_BYTES: usize = 32;
/// Random bytes of its identifier.
const ID_BYTES: usize = 8;

/// SHA-256 of a token's text. Nothing slower is needed: the text has 256 random bits.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a text.
    #[must_use]
    pub fn of(text: &str) -> Digest {
        Digest(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether both are the same, in a time that does not depend on how much of them is.
    #[must_use]
    pub fn matches(&self, other: &Digest) -> bool {
        let pairs = self.0.iter().zip(other.0);
        let different = pairs.fold(0_u8, |sum, (ours, theirs)| sum | (ours ^ theirs));
        std::hint::black_box(different) == 0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// A token as it is given out, once.
pub struct Written {
    /// What the client shows.
    pub text: String,
    /// What is kept of it.
    pub digest: Digest,
}

impl Written {
    /// The token of an identifier with a secret of random bytes.
    #[must_use]
    pub fn new(id: &str, random: [u8; SECRET_BYTES]) -> Written {
        let text = format!("{TOKEN_PREFIX}{id}_{}", hex(&random));
        let digest = Digest::of(&text);
        Written { text, digest }
    }

    /// An identifier made of random bytes: 16 hexadecimal digits.
    #[must_use]
    pub fn id(random: [u8; ID_BYTES]) -> String {
        hex(&random)
    }
}

/// What a client shows: the identifier that it names, and the digest of the whole.
#[derive(Debug)]
pub struct Presented<'a> {
    /// The identifier; nobody has proved anything by it.
    pub id: &'a str,
    /// To be compared with what is kept.
    pub digest: Digest,
}

impl Presented<'_> {
    /// Reads a token's text; `None` for what is no token that was given out.
    #[must_use]
    pub fn read(text: &str) -> Option<Presented<'_>> {
        let (id, _) = text.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
        let digest = Digest::of(text);
        Some(Presented { id, digest })
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_all_of_its_text() {
        let written = Written::new("00000000000000ff", [7; SECRET_BYTES]);
        assert!(written.text.starts_with("pb_00000000000000ff_0707"));
        assert_eq!(written.text.len(), 3 + 16 + 1 + 64);
        let shown = Presented::read(&written.text);
        let shown = shown.filter(|shown| shown.id == "00000000000000ff");
        assert!(shown.is_some_and(|shown| written.digest.matches(&shown.digest)));
        for wrong in [&written.text[..83], "pb_00000000000000ff_", "pb__"] {
            let shown = Presented::read(wrong);
            assert!(
                shown.is_some_and(|shown| !written.digest.matches(&shown.digest)),
                "{wrong}"
            );
        }
        for none in ["", "pb_", "pb_00000000000000ff", "0123456789abcdef_1"] {
            assert!(Presented::read(none).is_none(), "{none}");
        }
        assert!(!format!("{:?}", written.digest).contains('7'));
    }
}
