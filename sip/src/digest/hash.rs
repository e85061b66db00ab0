//! The hashes of digest authentication.

use std::fmt::{self, Write};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::Challenge;
use crate::method::Method;
use crate::scan::quote;

/// A digest algorithm. MD5 is there for phones that know nothing better (RFC 8760 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// MD5, legacy.
    Md5,
}

impl Algorithm {
    /// The algorithm's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }

    /// The algorithm of a word; none for the session variants and SHA-512-256.
    pub fn from_word(word: &str) -> Option<Algorithm> {
        [Algorithm::Sha256, Algorithm::Md5]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(word))
    }

    /// The hash of `text` in lower-case hexadecimal digits.
    pub(super) fn hex(self, text: &str) -> String {
        match self {
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The hash that stands for a password (RFC 7616 section 3.4.2); store this rather than the password.
pub fn ha1(user: &str, realm: &str, password: &str, algorithm: Algorithm) -> String {
    algorithm.hex(&format!("{user}:{realm}:{password}"))
}

/// The response for `qop=auth` (RFC 7616 section 3.4.1).
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &str,
    nonce: &str,
    nc: &str,
    cnonce: &str,
    method: &str,
    uri: &str,
) -> String {
    let ha2 = algorithm.hex(&format!("{method}:{uri}"));
    algorithm.hex(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"))
}

/// The response of RFC 2069, for challenges without `qop`.
fn plain_response(algorithm: Algorithm, ha1: &str, nonce: &str, method: &str, uri: &str) -> String {
    let ha2 = algorithm.hex(&format!("{method}:{uri}"));
    algorithm.hex(&format!("{ha1}:{nonce}:{ha2}"))
}

/// The value of Authorization or Proxy-Authorization that answers `challenge` (RFC 7616 section 3.4).
/// `uri` is the Request-URI; `cnonce` must be fresh and unguessable; `nc` counts from 1 the answers
/// to one nonce.
pub fn answer(
    challenge: &Challenge,
    method: &Method,
    uri: &str,
    user: &str,
    password: &str,
    cnonce: &str,
    nc: u32,
) -> String {
    let Challenge {
        realm,
        nonce,
        algorithm,
        ..
    } = challenge;
    let ha1 = ha1(user, realm, password, *algorithm);
    let nc = format!("{nc:08x}");
    let method = method.as_str();
    let response = match challenge.qop_auth {
        true => response(*algorithm, &ha1, nonce, &nc, cnonce, method, uri),
        false => plain_response(*algorithm, &ha1, nonce, method, uri),
    };
    let mut out = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={algorithm}",
        quote(user),
        quote(realm),
        quote(nonce),
        quote(uri),
    );
    if challenge.qop_auth {
        out.push_str(&format!(", qop=auth, nc={nc}, cnonce={}", quote(cnonce)));
    }
    if let Some(opaque) = &challenge.opaque {
        out.push_str(&format!(", opaque={}", quote(opaque)));
    }
    out
}

/// Compares without telling by its duration where the texts differ.
pub(super) fn same_in_constant_time(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0u8, |sum, (x, y)| sum | (x ^ y));
    std::hint::black_box(differ) == 0 && a.len() == b.len()
}
