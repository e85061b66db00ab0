//! A phone registers: challenge, binding, refresh, expiry, and what is refused.
use crate::support::{ONE_REGISTERS, Scene, UNIX_MS};
use patchbay_sip::HeaderName;
use patchbay_sip::digest::{Algorithm, Challenge};

const PHONE: &str = "<sip:anna@198.51.100.1:5090>";
const OTHER: &str = "<sip:anna@198.51.100.9:5090>";

fn contacts(answer: &patchbay_sip::Message) -> Vec<String> {
    answer
        .headers
        .all(HeaderName::Contact)
        .map(str::to_owned)
        .collect()
}

// A5; RFC 3261 section 10.3, RFC 3327, RFC 8760
#[test]
fn a_phone_is_challenged_bound_with_its_path_and_called_through_it() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    scene.receive(&request);
    let challenge = scene.expect(401);
    let offered: Vec<_> = challenge.headers.all(HeaderName::WwwAuthenticate).collect();
    assert!(
        offered[0].contains("SHA-256"),
        "the stronger first: {offered:?}"
    );
    assert!(offered[1].contains("MD5"));
    assert!(
        offered
            .iter()
            .all(|one| one.contains("realm=\"patchbay.example\""))
    );

    let ok = scene.authorise(request, offered[0], "anna", "open sesame");
    assert_eq!(ok.status(), Some(200));
    assert_eq!(contacts(&ok), ["<sip:anna@198.51.100.1:5090>;expires=3600"]);
    assert_eq!(
        ok.headers.get(HeaderName::Path),
        Some("<sip:token@192.0.2.1;lr;ob>")
    );
    assert!(ok.headers.lists(HeaderName::Supported, "path"));
    assert_eq!(scene.saved.len(), 1);
    assert_eq!(scene.saved[0].expires_unix_ms, UNIX_MS + 3_600_000);

    scene.call("call-1");
    let transfer = scene.expect_transfer("anna");
    assert_eq!(transfer.target.agent_uri, "sip:anna@198.51.100.1:5090");
    assert_eq!(
        transfer.target.path.as_deref(),
        Some("<sip:token@192.0.2.1;lr;ob>")
    );
}

// RFC 8760 section 2.1
#[test]
fn md5_is_accepted_from_phones_that_know_nothing_else() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    scene.receive(&request);
    let challenge = scene.expect(401);
    let md5 = challenge
        .headers
        .all(HeaderName::WwwAuthenticate)
        .nth(1)
        .unwrap()
        .to_owned();
    let ok = scene.authorise(request, &md5, "anna", "open sesame");
    assert_eq!(ok.status(), Some(200));
}

/// Like `ONE_REGISTERS`, with a line more for `anna`.
fn anna_with(line: &str) -> String {
    let password = "password = \"open sesame\"\n";
    ONE_REGISTERS.replace(password, &format!("{password}{line}\n"))
}

/// The challenges that a REGISTER for this user gets, and their algorithms.
fn challenges(scene: &mut Scene, user: &str) -> (Vec<String>, Vec<Algorithm>) {
    let request = scene.register_request(user, Some(PHONE), 1);
    scene.receive(&request);
    let challenge = scene.expect(401);
    let offered = challenge.headers.all(HeaderName::WwwAuthenticate);
    let offered: Vec<String> = offered.map(str::to_owned).collect();
    let algorithm = |text: &String| Challenge::parse(text).unwrap().algorithm;
    let algorithms = offered.iter().map(algorithm).collect();
    (offered, algorithms)
}

// A5: phones that give up when they are offered SHA-256 register without a change to them.
#[test]
fn an_agent_is_challenged_with_the_digests_that_it_declares() {
    let (sha, md5) = (Algorithm::Sha256, Algorithm::Md5);
    for (line, expected) in [
        ("", vec![sha, md5]),
        ("digest = [\"md5\"]", vec![md5]),
        ("digest = [\"md5\", \"sha-256\"]", vec![md5, sha]),
        ("digest = [\"sha-256\"]", vec![sha]),
    ] {
        let mut scene = Scene::new(&anna_with(line));
        let (offered, algorithms) = challenges(&mut scene, "anna");
        assert_eq!(algorithms, expected, "{line}");
        for (n, challenge) in (1..).zip(&offered) {
            let contact = format!("<sip:anna@198.51.100.{n}:5090>");
            let request = scene.register_request("anna", Some(&contact), 10 * n);
            let ok = scene.authorise(request, challenge, "anna", "open sesame");
            assert_eq!(ok.status(), Some(200), "{line}: {challenge}");
        }
        let (_, unknown) = challenges(&mut scene, "nemo");
        assert_eq!(unknown, [sha, md5], "unknown users: the node's digests");
    }
}

#[test]
fn the_digests_of_the_node_hold_where_an_agent_declares_none() {
    let centre = anna_with("digest = [\"sha-256\"]");
    let centre = format!("{centre}\n[[agent]]\nid = \"bert\"\npassword = \"other words\"\n");
    let mut scene = Scene::with_digest(&centre, &[Algorithm::Md5]);
    assert_eq!(challenges(&mut scene, "anna").1, [Algorithm::Sha256]);
    let (offered, algorithms) = challenges(&mut scene, "bert");
    assert_eq!(algorithms, [Algorithm::Md5]);
    assert_eq!(challenges(&mut scene, "nemo").1, [Algorithm::Md5]);
    let request = scene.register_request("bert", Some(PHONE), 10);
    let ok = scene.authorise(request, &offered[0], "bert", "other words");
    assert_eq!(ok.status(), Some(200));
}

#[test]
fn an_answer_in_an_algorithm_that_was_not_offered_is_refused() {
    let (sha, md5) = ("algorithm=SHA-256", "algorithm=MD5");
    for (digest, offered, other) in [("sha-256", sha, md5), ("md5", md5, sha)] {
        let mut scene = Scene::new(&anna_with(&format!("digest = [\"{digest}\"]")));
        let (challenges, _) = challenges(&mut scene, "anna");
        // The same nonce, answered with the right password in the other algorithm.
        let turned = challenges[0].replace(offered, other);
        assert_ne!(turned, challenges[0]);
        let request = scene.register_request("anna", Some(PHONE), 10);
        let refused = scene.authorise(request, &turned, "anna", "open sesame");
        assert_eq!(refused.status(), Some(401));
        let again = refused.headers.get(HeaderName::WwwAuthenticate).unwrap();
        assert!(
            again.contains(offered) && !again.contains("stale"),
            "{again}"
        );
        assert!(scene.saved.is_empty());
    }
}

// The challenge follows the To header, what is accepted follows the credentials' user.
#[test]
fn the_weaker_digest_of_one_agent_does_not_serve_another() {
    let centre = anna_with("digest = [\"md5\"]");
    let strong = "id = \"bert\"\npassword = \"other words\"\ndigest = [\"sha-256\"]";
    let mut scene = Scene::new(&format!("{centre}\n[[agent]]\n{strong}\n"));
    let (offered, _) = challenges(&mut scene, "anna");
    for (n, to) in (1..).zip(["anna", "bert"]) {
        let request = scene.register_request(to, Some(PHONE), 10 * n);
        let refused = scene.authorise(request, &offered[0], "bert", "other words");
        assert_eq!(refused.status(), Some(401), "to {to}");
    }
    assert!(scene.saved.is_empty());
}

#[test]
fn another_declaration_changes_the_digests_and_keeps_the_phone() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    let ok = scene.register(request, "anna", "open sesame");
    assert_eq!(ok.status(), Some(200));
    scene.configure(&anna_with("digest = [\"md5\"]"));
    assert!(scene.removed.is_empty());
    assert_eq!(challenges(&mut scene, "anna").1, [Algorithm::Md5]);
}

#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_answer() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let wrong = scene.register_request("anna", Some(PHONE), 1);
    let wrong = scene.register(wrong, "anna", "close sesame");
    let unknown = scene.register_request("nemo", Some(PHONE), 1);
    let unknown = scene.register(unknown, "nemo", "open sesame");
    for answer in [&wrong, &unknown] {
        assert_eq!(answer.status(), Some(401));
        assert!(
            !answer
                .headers
                .get(HeaderName::WwwAuthenticate)
                .unwrap()
                .contains("stale=true")
        );
    }
    let names = |message: &patchbay_sip::Message| -> Vec<String> {
        message
            .headers
            .iter()
            .map(|(name, _)| name.to_string())
            .collect()
    };
    assert_eq!(names(&wrong), names(&unknown));
    assert_eq!(wrong.start, unknown.start);
    assert!(scene.saved.is_empty());
}

#[test]
fn nobody_registers_for_another() {
    let two = format!("{ONE_REGISTERS}\n[[agent]]\nid = \"bert\"\npassword = \"other\"\n");
    let mut scene = Scene::new(&two);
    let request = scene.register_request("bert", Some(PHONE), 1);
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(403)
    );
    assert!(scene.saved.is_empty());
}

#[test]
fn a_binding_ends_when_it_is_not_refreshed() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let mut request = scene.register_request("anna", Some(PHONE), 1);
    request.headers.push(HeaderName::Expires, "120");
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );
    scene.seconds(60);
    let mut again = scene.register_request("anna", Some(PHONE), 3);
    again.headers.push(HeaderName::Expires, "120");
    assert_eq!(
        scene.register(again, "anna", "open sesame").status(),
        Some(200)
    );
    scene.seconds(100);
    assert!(scene.removed.is_empty(), "it was refreshed");
    scene.seconds(21);
    assert_eq!(scene.removed.len(), 1);
    scene.call("call-1");
    scene.expect(182);
}

#[test]
fn short_and_bad_wishes_are_refused_and_a_query_changes_nothing() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let contact = format!("{PHONE};expires=10");
    let brief = scene.register_request("anna", Some(&contact), 1);
    let brief = scene.register(brief, "anna", "open sesame");
    assert_eq!(brief.status(), Some(423));
    assert_eq!(brief.headers.get(HeaderName::MinExpires), Some("60"));

    // What is no address at all is refused whoever asks.
    let broken = scene.register_request("anna", Some("<sip:a b>"), 9);
    scene.receive(&broken);
    scene.expect(400);
    for bad in ["<tel:+4144>", "*", "<sip:a@h>;q=7"] {
        let request = scene.register_request("anna", Some(bad), 10);
        assert_eq!(
            scene.register(request, "anna", "open sesame").status(),
            Some(400),
            "{bad}"
        );
    }
    let query = scene.register_request("anna", None, 20);
    let listing = scene.register(query, "anna", "open sesame");
    assert_eq!(listing.status(), Some(200));
    assert!(contacts(&listing).is_empty());
    assert!(scene.saved.is_empty());
}

#[test]
fn several_phones_are_listed_and_all_can_be_removed_together() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let both = format!("{PHONE};q=0.5, {OTHER};expires=600");
    let request = scene.register_request("anna", Some(&both), 1);
    let ok = scene.register(request, "anna", "open sesame");
    assert_eq!(
        contacts(&ok),
        [
            "<sip:anna@198.51.100.1:5090>;expires=3600;q=0.500",
            "<sip:anna@198.51.100.9:5090>;expires=600"
        ]
    );
    let mut star = scene.register_request("anna", Some("*"), 3);
    star.headers.push(HeaderName::Expires, "0");
    assert!(contacts(&scene.register(star, "anna", "open sesame")).is_empty());
    assert_eq!(scene.removed.len(), 2);
}

// RFC 3261 section 10.3 step 7
#[test]
fn an_older_request_does_not_undo_a_newer_one() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let newer = scene.register_request("anna", Some(PHONE), 10);
    assert_eq!(
        scene.register(newer, "anna", "open sesame").status(),
        Some(200)
    );
    let contact = format!("{PHONE};expires=0");
    let older = scene.register_request("anna", Some(&contact), 5);
    assert_eq!(
        scene.register(older, "anna", "open sesame").status(),
        Some(500)
    );
    assert!(scene.removed.is_empty());
    // Another Call-ID is a phone that started anew.
    let mut restarted = scene.register_request("anna", Some(&contact), 1);
    restarted.headers.set(HeaderName::CallId, "after-restart");
    assert_eq!(
        scene.register(restarted, "anna", "open sesame").status(),
        Some(200)
    );
    assert_eq!(scene.removed.len(), 1);
}

#[test]
fn an_agent_has_a_bounded_number_of_phones() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let phones: Vec<String> = (0..10)
        .map(|n| format!("<sip:anna@198.51.100.{n}>"))
        .collect();
    let request = scene.register_request("anna", Some(&phones.join(", ")), 1);
    assert_eq!(
        scene.register(request, "anna", "open sesame").status(),
        Some(200)
    );
    let eleventh = scene.register_request("anna", Some(PHONE), 3);
    assert_eq!(
        scene.register(eleventh, "anna", "open sesame").status(),
        Some(403)
    );
    assert_eq!(scene.machine.signalling().registrar().len(), 10);
}

// RFC 3261 section 8.2.2.3
#[test]
fn an_unknown_extension_is_named() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let mut request = scene.register_request("anna", Some(PHONE), 1);
    request.headers.push(HeaderName::Require, "path, x-new");
    scene.receive(&request);
    assert_eq!(
        scene.expect(420).headers.get(HeaderName::Unsupported),
        Some("x-new")
    );
}

#[test]
fn credentials_cannot_be_used_again() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some(PHONE), 1);
    scene.receive(&request);
    let challenge = scene.expect(401);
    let offered = challenge
        .headers
        .get(HeaderName::WwwAuthenticate)
        .unwrap()
        .to_owned();
    let first = scene.authorise(request.clone(), &offered, "anna", "open sesame");
    assert_eq!(first.status(), Some(200));
    let replayed = scene.authorise(request, &offered, "anna", "open sesame");
    assert_eq!(replayed.status(), Some(401));
    assert!(
        replayed
            .headers
            .get(HeaderName::WwwAuthenticate)
            .unwrap()
            .contains("stale=true")
    );
}
