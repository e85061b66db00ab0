//! The token of the data directory, which opens everything and with which the others are given out.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::store::secret::{self, SecretError};

/// Name of the token's file in the data directory.
pub const TOKEN_FILE: &str = "api-token";

/// What a client must show. Copies are cheap; the text is not shown in logs.
#[derive(Clone)]
pub struct Token {
    text: Arc<str>,
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
        Token { text: text.into() }
    }

    /// The text itself, for the one who starts the process.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
