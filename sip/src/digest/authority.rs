//! [`Authority`]: the server's side of digest authentication.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::hash::{hex, response, same_in_constant_time};
use super::{Algorithm, Challenge, Credentials, DigestError};
use crate::method::Method;

/// How long a nonce may be used, in seconds.
pub const NONCE_SECONDS: u64 = 300;

/// Most nonces whose counts are remembered; beyond that the oldest becomes stale early.
pub const MAX_NONCES: usize = 65_536;

/// Hexadecimal digits of time, serial number and their authentication code in a nonce.
const TIME_DIGITS: usize = 16;
const SERIAL_DIGITS: usize = 16;
const CODE_DIGITS: usize = 32;

/// Why credentials were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They cannot be read.
    #[error("credentials: {0}")]
    Malformed(#[from] DigestError),
    /// They answer another realm.
    #[error("another realm")]
    Realm,
    /// The nonce is none of ours.
    #[error("not our nonce")]
    Nonce,
    /// No such user, or none with a hash of this algorithm.
    #[error("unknown user")]
    UnknownUser,
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
}

/// What came of checking credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user is who they say.
    Accepted {
        /// Who.
        user: String,
        /// The nonce count.
        nc: u32,
    },
    /// The password is right, but the nonce too old or its count used before: challenge again with
    /// `stale`.
    Stale,
    /// Challenge again or refuse. Do not tell the peer why.
    Refused(Refusal),
}

/// Makes challenges and checks their answers. Nonces carry their time and an authentication code, so
/// that a challenge costs no memory; only nonces that were used with the right password are
/// remembered, for their counts.
#[derive(Clone, Debug)]
pub struct Authority {
    realm: String,
    secret: Vec<u8>,
    peer: u128,
    serial: u64,
    /// Highest count used of each nonce, oldest nonce first.
    counts: BTreeMap<(u64, u64), u32>,
    /// Nonces up to this one have been forgotten.
    forgotten: Option<(u64, u64)>,
}

impl Authority {
    /// An authority over `realm`. The secret signs nonces; 32 random bytes, fresh at every start so
    /// that nonces counted before a restart cannot be used again.
    pub fn new(realm: impl Into<String>, secret: impl Into<Vec<u8>>) -> Authority {
        Authority {
            realm: realm.into(),
            secret: secret.into(),
            peer: 0,
            serial: 0,
            counts: BTreeMap::new(),
            forgotten: None,
        }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Makes nonces for this peer, and takes only those that were made for it, until it is set again.
    /// Who can send in another's name, but not receive, then has no nonce to guess passwords with.
    pub fn set_peer(&mut self, peer: u128) {
        self.peer = peer;
    }

    /// Challenges for one 401 or 407, one of each algorithm in this order, each for a header of its
    /// own. The most preferred comes first (RFC 8760 section 2.4). `now_unix` is in seconds.
    pub fn challenges(
        &mut self,
        algorithms: &[Algorithm],
        now_unix: u64,
        stale: bool,
    ) -> Vec<Challenge> {
        let make = |algorithm: &Algorithm| {
            self.serial = self.serial.wrapping_add(1);
            Challenge {
                realm: self.realm.clone(),
                nonce: nonce(
                    &self.secret,
                    (&self.realm, self.peer),
                    now_unix,
                    self.serial,
                ),
                algorithm: *algorithm,
                qop_auth: true,
                stale,
                opaque: None,
            }
        };
        algorithms.iter().map(make).collect()
    }

    /// Checks the value of an Authorization or Proxy-Authorization header. `ha1_of` gives the stored
    /// [`super::ha1`] of a user; none for a user who is unknown, or was not offered this algorithm.
    pub fn verify(
        &mut self,
        authorization: &str,
        method: &Method,
        ha1_of: impl Fn(&str, Algorithm) -> Option<String>,
        now_unix: u64,
    ) -> Verdict {
        match self.check(authorization, method, ha1_of) {
            Ok((credentials, made)) => self.count(credentials, made, now_unix),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// Checks all but the nonce's age and count, which only matter to who knows the password.
    fn check(
        &self,
        authorization: &str,
        method: &Method,
        ha1_of: impl Fn(&str, Algorithm) -> Option<String>,
    ) -> Result<(Credentials, (u64, u64)), Refusal> {
        let credentials = Credentials::parse(authorization)?;
        if credentials.realm != self.realm {
            return Err(Refusal::Realm);
        }
        let made = self.open_nonce(&credentials.nonce).ok_or(Refusal::Nonce)?;
        let ha1 = ha1_of(&credentials.username, credentials.algorithm);
        let expected = response(
            credentials.algorithm,
            // The same work for an unknown user, whose absence should not show in the time taken.
            ha1.as_deref().unwrap_or("-"),
            &credentials.nonce,
            &credentials.nc,
            &credentials.cnonce,
            method.as_str(),
            &credentials.uri,
        );
        let given = credentials.response.to_ascii_lowercase();
        let right = same_in_constant_time(&expected, &given);
        match (ha1.is_some(), right) {
            (true, true) => Ok((credentials, made)),
            (true, false) => Err(Refusal::WrongPassword),
            (false, _) => Err(Refusal::UnknownUser),
        }
    }

    /// Time and serial number of a nonce that we made.
    fn open_nonce(&self, text: &str) -> Option<(u64, u64)> {
        if text.len() != TIME_DIGITS + SERIAL_DIGITS + CODE_DIGITS || !text.is_ascii() {
            return None;
        }
        let time = u64::from_str_radix(text.get(..TIME_DIGITS)?, 16).ok()?;
        let serial =
            u64::from_str_radix(text.get(TIME_DIGITS..TIME_DIGITS + SERIAL_DIGITS)?, 16).ok()?;
        let expected = nonce(&self.secret, (&self.realm, self.peer), time, serial);
        same_in_constant_time(&expected, text).then_some((time, serial))
    }

    fn count(&mut self, credentials: Credentials, made: (u64, u64), now_unix: u64) -> Verdict {
        let Some(nc) = credentials.count() else {
            return Verdict::Refused(Refusal::Malformed(DigestError::Syntax));
        };
        self.forget_old(now_unix);
        let too_old = made.0.saturating_add(NONCE_SECONDS) < now_unix
            || self.forgotten.is_some_and(|forgotten| made <= forgotten);
        let used = self.counts.get(&made).copied().unwrap_or(0);
        if too_old || nc <= used {
            return Verdict::Stale;
        }
        self.counts.insert(made, nc);
        Verdict::Accepted {
            user: credentials.username,
            nc,
        }
    }

    fn forget_old(&mut self, now_unix: u64) {
        while let Some(entry) = self.counts.first_entry() {
            let old = entry.key().0.saturating_add(NONCE_SECONDS) < now_unix;
            let oldest = *entry.key();
            if !old && self.counts.len() < MAX_NONCES {
                return;
            }
            self.counts.remove(&oldest);
            self.forgotten = Some(self.forgotten.map_or(oldest, |before| before.max(oldest)));
        }
    }
}

/// A nonce: time, serial number, and a code over both, the realm and the peer.
fn nonce(secret: &[u8], (realm, peer): (&str, u128), time: u64, serial: u64) -> String {
    let mut code = String::new();
    // A key of any length will do for HMAC; an error cannot happen and would give a nonce that never
    // verifies.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(&time.to_be_bytes());
        mac.update(&serial.to_be_bytes());
        mac.update(&peer.to_be_bytes());
        mac.update(realm.as_bytes());
        code = hex(mac
            .finalize()
            .into_bytes()
            .get(..CODE_DIGITS / 2)
            .unwrap_or_default());
    }
    format!("{time:016x}{serial:016x}{code}")
}
