//! [`Credentials`]: what Authorization and Proxy-Authorization say.

use super::list::List;
use super::{Algorithm, DigestError};

/// Digest credentials with `qop=auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The realm answered.
    pub realm: String,
    /// The nonce answered.
    pub nonce: String,
    /// The URI that was hashed.
    pub uri: String,
    /// The hash, in hexadecimal digits.
    pub response: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The client's nonce.
    pub cnonce: String,
    /// The nonce count as it was written, eight hexadecimal digits.
    pub nc: String,
}

impl Credentials {
    /// Parses a header's value.
    ///
    /// # Errors
    /// [`DigestError`]; credentials without `qop` are among those refused, since we always offer it.
    pub fn parse(text: &str) -> Result<Credentials, DigestError> {
        let list = List::parse(text)?;
        let algorithm = Algorithm::from_word(list.get("algorithm").unwrap_or("MD5"));
        if !list
            .get("qop")
            .is_some_and(|word| word.eq_ignore_ascii_case("auth"))
        {
            return Err(DigestError::Qop);
        }
        Ok(Credentials {
            username: list.need("username")?,
            realm: list.need("realm")?,
            nonce: list.need("nonce")?,
            uri: list.need("uri")?,
            response: list.need("response")?,
            algorithm: algorithm.ok_or(DigestError::Algorithm)?,
            cnonce: list.need("cnonce")?,
            nc: list.need("nc")?,
        })
    }

    /// The nonce count as a number.
    pub fn count(&self) -> Option<u32> {
        (self.nc.len() == 8)
            .then(|| u32::from_str_radix(&self.nc, 16).ok())
            .flatten()
    }
}
