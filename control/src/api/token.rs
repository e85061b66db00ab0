//! The bearer token.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::store::secret::{self, SecretError};

/// Name of the token's file in the data directory.
pub const TOKEN_FILE: &str = "api-token";

/// What a client must show. Copies are cheap; the text is not shown in logs.
#[derive(Clone)]
pub struct Token {
    text: Arc<str>,
    digest: [u8; 32],
}

impl Token {
    /// Reads `api-token` in the data directory; the first start makes it, with mode 0600.
    ///
    /// # Errors
    /// [`SecretError`], each with what to do.
    pub fn read_or_create(data: &Path) -> Result<Token, SecretError> {
        secret::read_or_create(&data.join(TOKEN_FILE)).map(Token::new)
    }

    /// A given token.
    pub fn new(text: impl Into<Arc<str>>) -> Token {
        let text = text.into();
        let digest = Sha256::digest(text.as_bytes()).into();
        Token { text, digest }
    }

    /// The text itself, for the one who starts the process.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether a client's token is this one, in a time that does not depend on how much of it is
    /// right: what is compared are digests, and all of their bytes.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        let pairs = self.digest.iter().zip(given);
        let different = pairs.fold(0_u8, |sum, (ours, theirs)| sum | (ours ^ theirs));
        std::hint::black_box(different) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches_and_it_is_not_shown() {
        let token = Token::new("0123456789abcdef");
        assert!(token.matches("0123456789abcdef"));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdeF",
            "0123456789abcdef0",
        ] {
            assert!(!token.matches(wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }
}
