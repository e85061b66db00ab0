//! Credentials and challenges: nobody gets in by accident.

use patchbay_sip::Method;
use patchbay_sip::digest::{Algorithm, Authority, Challenge, Credentials, Verdict};

use crate::mutate::{by_bytes, mutated};

fn headers() -> Vec<Vec<u8>> {
    let all: [&[u8]; 3] = [
        b"Digest username=\"anna\", realm=\"r\", nonce=\"abc\", uri=\"sip:r\", response=\"00\", \
          algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\", opaque=\"\"",
        b"Digest realm=\"r\", nonce=\"abc\", algorithm=MD5, qop=\"auth,auth-int\", stale=TRUE",
        b"NoOneKnowsThisScheme opaque-data=here",
    ];
    all.map(<[u8]>::to_vec).into()
}

#[test]
fn proofs() {
    let headers = headers();
    target!("proofs", 8_000, |input: &[u8]| {
        holds(&String::from_utf8_lossy(input));
        let header = mutated(&mut by_bytes(input), &headers);
        holds(&String::from_utf8_lossy(&header));
    });
}

fn holds(text: &str) {
    if let Ok(challenge) = Challenge::parse(text) {
        let _ = challenge.to_header();
    }
    let _ = Credentials::parse(text).map(|credentials| credentials.count());
    let mut authority = Authority::new("r", [1; 32]);
    let offered = authority.challenges(&[Algorithm::Sha256, Algorithm::Md5], 1_000, false);
    assert_eq!(offered.len(), 2);
    // A hash that is no text of hexadecimal digits is the answer to nothing.
    let secret = |_: &str, _: Algorithm| Some("nobody's".to_owned());
    let verdict = authority.verify(text, &Method::Register, secret, 1_001);
    assert!(!matches!(verdict, Verdict::Accepted { .. }), "{text:?}");
}
