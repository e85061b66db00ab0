//! Identifiers and tags that nobody can guess, from one seed.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A session on this relay host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A source of identifiers: SHA-256 over the seed and a counter.
pub struct Ids {
    seed: [u8; 32],
    counter: u64,
}

impl Ids {
    /// `seed` must be secret and new for each process.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    fn next(&mut self) -> [u8; 32] {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_be_bytes());
        hash.finalize().into()
    }

    /// A number.
    pub fn number(&mut self) -> u64 {
        let bytes = self.next();
        bytes
            .iter()
            .take(8)
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// A session's identifier.
    pub fn session(&mut self) -> SessionId {
        SessionId(self.number())
    }

    /// A tag: 64 bits, more than the 32 that RFC 3261 section 19.3 asks for.
    pub fn tag(&mut self) -> String {
        HEXLOWER.encode(&self.number().to_be_bytes())
    }

    /// A Call-ID that says nothing about any host.
    pub fn call_id(&mut self) -> String {
        let (first, second) = (self.number(), self.number());
        HEXLOWER.encode(&(u128::from(first) << 64 | u128::from(second)).to_be_bytes())
    }
}
