//! What a user is challenged with, and what the answer is checked against.

use patchbay_sip::digest::{Algorithm, ha1};

/// The hashes of one user's password: one of each algorithm that the user is offered, in the order
/// of the challenges. An answer in any other algorithm has nothing to be checked against, so it
/// cannot hold.
pub(super) struct Proof {
    hashes: Vec<(Algorithm, String)>,
}

impl Proof {
    /// Hashes a password.
    pub fn new(offered: &[Algorithm], user: &str, realm: &str, password: &str) -> Proof {
        let hash = |algorithm: &Algorithm| (*algorithm, ha1(user, realm, password, *algorithm));
        Proof {
            hashes: offered.iter().map(hash).collect(),
        }
    }

    /// What the user is challenged with, the preferred first.
    pub fn offered(&self) -> Vec<Algorithm> {
        self.hashes
            .iter()
            .map(|(algorithm, _)| *algorithm)
            .collect()
    }

    /// The hash of an algorithm; none if it was not offered.
    pub fn hash(&self, wanted: Algorithm) -> Option<String> {
        let found = self.hashes.iter().find(|(has, _)| *has == wanted);
        found.map(|(_, hash)| hash.clone())
    }
}
