//! Branches and tags from a seed.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::text::Text;
use crate::via::MAGIC_COOKIE;

/// Bytes of a token: 96 bits that nobody outside can guess.
const TOKEN_BYTES: usize = 12;

/// A counter under SHA-256 with a secret seed: deterministic for tests, unguessable in the field.
pub(crate) struct Tokens {
    seed: [u8; 32],
    counter: u64,
}

impl Tokens {
    pub(crate) fn new(seed: [u8; 32]) -> Tokens {
        Tokens { seed, counter: 0 }
    }

    fn push_hex(&mut self, out: &mut String) {
        self.counter = self.counter.wrapping_add(1);
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_be_bytes());
        let hash = hash.finalize();
        HEXLOWER.encode_append(hash.get(..TOKEN_BYTES).unwrap_or_default(), out);
    }

    pub(crate) fn branch(&mut self) -> Text {
        let mut out = String::with_capacity(MAGIC_COOKIE.len() + 2 * TOKEN_BYTES);
        out.push_str(MAGIC_COOKIE);
        self.push_hex(&mut out);
        Text::from(out)
    }

    pub(crate) fn tag(&mut self) -> String {
        let mut out = String::with_capacity(2 * TOKEN_BYTES);
        self.push_hex(&mut out);
        out
    }

    /// Four words for keyed hashing.
    pub(crate) fn hash_keys(&mut self) -> [u64; 4] {
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(b"table")
            .finalize();
        let word = |at: usize| {
            let bytes = digest.iter().skip(8 * at).take(8);
            bytes.fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        [word(0), word(1), word(2), word(3)]
    }
}
