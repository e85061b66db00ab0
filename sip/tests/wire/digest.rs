use patchbay_sip::Method;
use patchbay_sip::digest::{
    Algorithm, Authority, Challenge, DigestError, NONCE_SECONDS, Refusal, Verdict, answer, ha1,
};

const NOW: u64 = 1_800_000_000;
const BOTH: &[Algorithm] = &[Algorithm::Sha256, Algorithm::Md5];

fn authority() -> Authority {
    Authority::new("example.com", [7; 32])
}

fn password_of(user: &str, algorithm: Algorithm) -> Option<String> {
    (user == "anna").then(|| ha1("anna", "example.com", "s3cret", algorithm))
}

fn reply(challenge: &Challenge, user: &str, password: &str, nc: u32) -> String {
    answer(
        challenge,
        &Method::Register,
        "sip:example.com",
        user,
        password,
        "c0",
        nc,
    )
}

fn check(authority: &mut Authority, credentials: &str, now: u64) -> Verdict {
    authority.verify(credentials, &Method::Register, password_of, now)
}

/// The example of RFC 7616 section 3.9.1, for both algorithms.
#[test]
fn the_examples_of_rfc_7616() {
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let challenge = Challenge {
            realm: "http-auth@example.org".into(),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
            algorithm,
            qop_auth: true,
            stale: false,
            opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".into()),
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let method = Method::Extension("GET".into());
        let header = answer(
            &challenge,
            &method,
            "/dir/index.html",
            "Mufasa",
            "Circle of Life",
            cnonce,
            1,
        );
        assert!(
            header.contains(&format!("response=\"{expected}\"")),
            "{header}"
        );
        assert!(header.contains("nc=00000001") && header.contains("opaque=\"FQhe"));
    }
}

#[test]
fn a_challenge_is_answered_and_accepted() {
    let mut authority = authority();
    let challenges = authority.challenges(BOTH, NOW, false);
    let algorithms: Vec<_> = challenges.iter().map(|c| c.algorithm).collect();
    assert_eq!(algorithms, BOTH, "in the order that was asked for");
    for challenge in challenges {
        let read = Challenge::parse(&challenge.to_header()).unwrap();
        assert_eq!(read, challenge);
        let credentials = reply(&read, "anna", "s3cret", 1);
        let accepted = Verdict::Accepted {
            user: "anna".into(),
            nc: 1,
        };
        assert_eq!(check(&mut authority, &credentials, NOW + 1), accepted);
        assert_eq!(
            check(&mut authority, &credentials, NOW + 1),
            Verdict::Stale,
            "replayed"
        );
        let next = reply(&read, "anna", "s3cret", 2);
        assert_eq!(
            check(&mut authority, &next, NOW + 2),
            Verdict::Accepted {
                user: "anna".into(),
                nc: 2
            }
        );
        let late = reply(&read, "anna", "s3cret", 3);
        assert_eq!(
            check(&mut authority, &late, NOW + NONCE_SECONDS + 1),
            Verdict::Stale
        );
    }
}

#[test]
fn wrong_ones_are_refused() {
    let mut authority = authority();
    let challenge = authority.challenges(BOTH, NOW, false).remove(0);
    let refused = |authority: &mut Authority, text: &str| match check(authority, text, NOW) {
        Verdict::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    let wrong = reply(&challenge, "anna", "guess", 1);
    assert_eq!(refused(&mut authority, &wrong), Refusal::WrongPassword);
    let unknown = reply(&challenge, "bert", "s3cret", 1);
    assert_eq!(refused(&mut authority, &unknown), Refusal::UnknownUser);
    let mut other = challenge.clone();
    other.realm = "elsewhere".into();
    assert_eq!(
        refused(&mut authority, &reply(&other, "anna", "s3cret", 1)),
        Refusal::Realm
    );
    let mut forged = challenge.clone();
    forged.nonce = forged.nonce.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(
        refused(&mut authority, &reply(&forged, "anna", "s3cret", 1)),
        Refusal::Nonce
    );
    let right = reply(&challenge, "anna", "s3cret", 1);
    let method = authority.verify(&right, &Method::Invite, password_of, NOW);
    assert_eq!(
        method,
        Verdict::Refused(Refusal::WrongPassword),
        "bound to its method"
    );
    let plain = right.replace("qop=auth, ", "");
    assert_eq!(
        refused(&mut authority, &plain),
        Refusal::Malformed(DigestError::Qop)
    );
    let basic = refused(&mut authority, "Basic YTpi");
    assert_eq!(basic, Refusal::Malformed(DigestError::Scheme));
}

#[test]
fn an_algorithm_that_a_user_has_no_hash_of_is_refused() {
    let mut authority = authority();
    let md5 = authority
        .challenges(&[Algorithm::Md5], NOW, false)
        .remove(0);
    let sha_256_only = |user: &str, algorithm| match algorithm {
        Algorithm::Sha256 => password_of(user, algorithm),
        Algorithm::Md5 => None,
    };
    let credentials = reply(&md5, "anna", "s3cret", 1);
    let verdict = authority.verify(&credentials, &Method::Register, sha_256_only, NOW);
    assert_eq!(verdict, Verdict::Refused(Refusal::UnknownUser));
    let stronger = authority
        .challenges(&[Algorithm::Sha256], NOW, false)
        .remove(0);
    let credentials = reply(&stronger, "anna", "s3cret", 1);
    let verdict = authority.verify(&credentials, &Method::Register, sha_256_only, NOW);
    assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
}

#[test]
fn unusual_challenges_are_understood() {
    let challenge =
        Challenge::parse(r#"digest  realm="a, \"b\"" ,nonce=abc,qop="auth-int,auth" , STALE=TRUE"#)
            .unwrap();
    assert_eq!(
        (challenge.realm.as_str(), challenge.nonce.as_str()),
        ("a, \"b\"", "abc")
    );
    assert!(challenge.stale && challenge.qop_auth);
    assert_eq!(challenge.algorithm, Algorithm::Md5);
    for (text, error) in [
        ("Digest realm=\"a\"", DigestError::Missing("nonce")),
        (
            "Digest realm=\"a\", nonce=1, algorithm=SHA-512-256",
            DigestError::Algorithm,
        ),
        (
            "Digest realm=\"a\", nonce=1, qop=auth-int",
            DigestError::Qop,
        ),
        ("Digest realm=\"a, nonce=1", DigestError::Syntax),
        ("Digest nonce=1, nonce=2", DigestError::Syntax),
    ] {
        assert_eq!(Challenge::parse(text), Err(error), "{text}");
    }
}
