//! [`Challenge`]: what WWW-Authenticate and Proxy-Authenticate say.

use super::list::List;
use super::{Algorithm, DigestError};
use crate::scan::{quote, split_commas};

/// A digest challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose password is asked for.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` is offered; elements of RFC 2069 offer none.
    pub qop_auth: bool,
    /// The password was right, but the nonce too old.
    pub stale: bool,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
}

impl Challenge {
    /// The header's value.
    pub fn to_header(&self) -> String {
        let mut out = format!(
            "Digest realm={}, nonce={}, algorithm={}",
            quote(&self.realm),
            quote(&self.nonce),
            self.algorithm
        );
        if self.qop_auth {
            out.push_str(", qop=\"auth\"");
        }
        if self.stale {
            out.push_str(", stale=true");
        }
        if let Some(opaque) = &self.opaque {
            out.push_str(&format!(", opaque={}", quote(opaque)));
        }
        out
    }

    /// Parses a header's value.
    ///
    /// # Errors
    /// [`DigestError`]; a challenge of an unknown algorithm is to be passed over (RFC 8760 section
    /// 2.4).
    pub fn parse(text: &str) -> Result<Challenge, DigestError> {
        let list = List::parse(text)?;
        let algorithm = Algorithm::from_word(list.get("algorithm").unwrap_or("MD5"));
        let qop_auth = match list.get("qop") {
            None => false,
            Some(offer) if split_commas(offer).any(|word| word.eq_ignore_ascii_case("auth")) => {
                true
            }
            Some(_) => return Err(DigestError::Qop),
        };
        Ok(Challenge {
            realm: list.need("realm")?,
            nonce: list.need("nonce")?,
            algorithm: algorithm.ok_or(DigestError::Algorithm)?,
            qop_auth,
            stale: list
                .get("stale")
                .is_some_and(|word| word.eq_ignore_ascii_case("true")),
            opaque: list.get("opaque").map(str::to_owned),
        })
    }
}
