//! Passwords are guessed: who guesses is slowed down, and whose account it is goes on.
use crate::support::{ONE_REGISTERS, Scene};
use patchbay_control::registrar::{FREE_FAILURES, FREE_FAILURES_OF_ACCOUNT, RegistrarCounters};
use patchbay_sip::{HeaderName, Message};

const PHONE: &str = "<sip:anna@198.51.100.1:5090>";

/// Tries to register from an address.
fn try_from(scene: &mut Scene, source: &str, user: &str, password: &str, cseq: u32) -> Message {
    let mut request = scene.register_request(user, Some(PHONE), cseq);
    let call_id = format!("from-{source}");
    request.headers.set(HeaderName::CallId, call_id);
    request
        .headers
        .set("P-Patchbay-Source", format!("udp;{source}:5060"));
    scene.register(request, user, password)
}

fn counters(scene: &Scene) -> RegistrarCounters {
    scene.machine.signalling().registrar().counters()
}

/// Guesses until it is refused, and gives Retry-After.
fn guess_until_refused(scene: &mut Scene, source: &str, user: &str) -> u64 {
    for n in 0..=FREE_FAILURES {
        let answer = try_from(scene, source, user, "guess", 2 * n + 1);
        if answer.status() == Some(503) {
            return answer
                .headers
                .get(HeaderName::RetryAfter)
                .and_then(|after| after.parse().ok())
                .expect("a time");
        }
        assert_eq!(answer.status(), Some(401));
        assert!(!answer.headers.contains(HeaderName::RetryAfter));
    }
    panic!("never refused");
}

// A5
#[test]
fn a_guesser_is_slowed_down_and_the_wait_grows() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let first = guess_until_refused(&mut scene, "203.0.113.1", "anna");
    assert_eq!(first, 1);
    let mut before = first;
    for _ in 0..5 {
        scene.seconds(before);
        let again = guess_until_refused(&mut scene, "203.0.113.1", "anna");
        assert!(again > before, "{again} after {before}");
        before = again;
    }
    // The right password is of no use either as long as it lasts: the answer tells nothing.
    let right = try_from(&mut scene, "203.0.113.1", "anna", "open sesame", 100);
    assert_eq!(right.status(), Some(503));
    scene.seconds(before);
    let right = try_from(&mut scene, "203.0.113.1", "anna", "open sesame", 200);
    assert_eq!(right.status(), Some(200));
    assert!(counters(&scene).slowed_source >= 7);
}

// A5: neither the answers nor their number tell whether an account exists.
#[test]
fn an_account_that_does_not_exist_is_slowed_down_alike() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let known = guess_until_refused(&mut scene, "203.0.113.1", "anna");
    let unknown = guess_until_refused(&mut scene, "203.0.113.2", "nemo");
    assert_eq!(known, unknown);
}

// A5: an attack from one place does nothing to a phone at another.
#[test]
fn the_phone_elsewhere_registers_while_its_account_is_attacked() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let home = "198.51.100.1";
    let ok = try_from(&mut scene, home, "anna", "open sesame", 1);
    assert_eq!(ok.status(), Some(200));
    guess_until_refused(&mut scene, "203.0.113.1", "anna");
    let new = try_from(&mut scene, "198.51.100.2", "anna", "open sesame", 1);
    assert_eq!(new.status(), Some(200), "a phone at a new place");

    // From many places, a few guesses each: the account slows down whom it does not know.
    for n in 0..FREE_FAILURES_OF_ACCOUNT {
        let _answer = try_from(
            &mut scene,
            &format!("203.0.113.{}", n + 10),
            "anna",
            "guess",
            1,
        );
    }
    let stranger = try_from(&mut scene, "203.0.113.200", "anna", "open sesame", 1);
    assert_eq!(stranger.status(), Some(503));
    assert!(counters(&scene).slowed_account >= 1);
    let refreshed = try_from(&mut scene, home, "anna", "open sesame", 11);
    assert_eq!(refreshed.status(), Some(200), "where it registered before");

    // After a restart it is known by its binding.
    let stored = scene.saved.last().unwrap().clone();
    let mut after = Scene::seeded(ONE_REGISTERS, 2);
    after.run(|machine, now| machine.restore(vec![stored], now));
    for n in 0..=FREE_FAILURES_OF_ACCOUNT {
        let _answer = try_from(
            &mut after,
            &format!("203.0.113.{}", n + 10),
            "anna",
            "guess",
            1,
        );
    }
    let refreshed = try_from(&mut after, home, "anna", "open sesame", 21);
    assert_eq!(refreshed.status(), Some(200));
}

// A5: who forges the phone's address has no nonce that counts there.
#[test]
fn guesses_in_the_name_of_another_address_do_not_hold_its_phone() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let mut attacker = scene.register_request("anna", Some(PHONE), 1);
    attacker
        .headers
        .set("P-Patchbay-Source", "udp;203.0.113.1:5060");
    scene.receive(&attacker);
    let challenge = scene.expect(401);
    let offered = challenge
        .headers
        .get(HeaderName::WwwAuthenticate)
        .unwrap()
        .to_owned();
    for n in 0..3 * FREE_FAILURES {
        let mut forged = scene.register_request("anna", Some(PHONE), 10 + 2 * n);
        forged
            .headers
            .set("P-Patchbay-Source", "udp;198.51.100.1:5060");
        let answer = scene.authorise(forged, &offered, "anna", "guess");
        assert_eq!(answer.status(), Some(401));
    }
    let phone = try_from(&mut scene, "198.51.100.1", "anna", "open sesame", 1);
    assert_eq!(phone.status(), Some(200));
}

// A5: a nonce that is old or was used is no guess.
#[test]
fn stale_nonces_are_told_and_do_not_count_as_guesses() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    scene.receive(&request);
    let challenge = scene.expect(401);
    let offered = challenge
        .headers
        .get(HeaderName::WwwAuthenticate)
        .unwrap()
        .to_owned();
    scene.seconds(patchbay_sip::digest::NONCE_SECONDS + 1);
    for n in 0..3 * FREE_FAILURES {
        let request = scene.register_request("anna", Some(PHONE), 10 + 2 * n);
        let answer = scene.authorise(request, &offered, "anna", "open sesame");
        assert_eq!(answer.status(), Some(401));
        let again = answer.headers.get(HeaderName::WwwAuthenticate).unwrap();
        assert!(again.contains("stale=true"), "{again}");
    }
    assert_eq!(counters(&scene).stale, u64::from(3 * FREE_FAILURES));
    assert_eq!(counters(&scene).slowed_source, 0);
}
