//! Tags that nobody can guess.

use sha2::{Digest, Sha256};

/// A stream of tags from a secret seed; no tag tells anything about the next.
pub(super) struct Tokens {
    seed: [u8; 32],
    count: u64,
}

impl Tokens {
    pub(super) fn new(seed: [u8; 32]) -> Tokens {
        Tokens { seed, count: 0 }
    }

    /// 16 hexadecimal digits, 64 bits (RFC 3261 section 19.3 asks for 32).
    pub(super) fn tag(&mut self) -> String {
        self.count += 1;
        let hash = Sha256::new().chain_update(self.seed).chain_update(self.count.to_be_bytes());
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
