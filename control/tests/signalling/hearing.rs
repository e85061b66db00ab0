//! Callers who wait hear something: a transfer with nobody to be called. D14.
use crate::support::{Scene, Transfer};
use patchbay_route::transfer::WAITING_URI;
use patchbay_sip::{HeaderName, Message, Method};
use std::time::Duration;

const HEARS: &str = r#"
    [[queue]]
    id = "support"
    when_no_agents = "wait"
    max_wait_seconds = 600
    waiting = { music = "soft", language = "de", say = ["position"], first_seconds = 5 }
    overflow = [{ when = "waited", after_seconds = 100, redirect = "sip:mail@example.com" }]

    [[agent]]
    id = "anna"
    password = "open sesame"

    [[rule]]
    id = "all"
    then = { queue = "support" }
"#;

/// A caller who waits, with the transfer by which it hears something.
fn waits() -> (Scene, Transfer, Message) {
    let mut scene = Scene::new(HEARS);
    let invite = scene.call("call-1");
    scene.expect(182);
    let transfer = scene.expect_transfer("");
    assert_eq!(transfer.target.agent_uri, WAITING_URI);
    let hears = transfer.target.hears.clone().unwrap();
    assert_eq!(
        (hears.music.as_str(), hears.language.as_str()),
        ("soft", "de")
    );
    (scene, transfer, invite)
}

fn hears() -> (Scene, Transfer, Message) {
    let (mut scene, transfer, invite) = waits();
    scene.answer(&transfer, 183);
    let progress = scene.expect(183);
    assert_eq!(progress.to_tag().as_deref(), Some(transfer.to_tag.as_str()));
    (scene, transfer, invite)
}

fn anna_comes(scene: &mut Scene) {
    let request = scene.register_request("anna", Some("<sip:anna@198.51.100.1>"), 1);
    let ok = scene.register(request, "anna", "open sesame");
    assert_eq!(ok.status(), Some(200));
}

#[test]
fn the_agent_who_answers_takes_the_musics_place() {
    let (mut scene, music, _) = hears();
    anna_comes(&mut scene);
    let offer = scene.expect_transfer("anna");
    // A bare 180 would end the music in the caller's ear.
    scene.answer(&offer, 180);
    scene.expect_nothing();
    scene.answer(&offer, 200);
    scene.expect(200);
    scene.expect_cancel(&music);
    scene.refuse(&music, 487);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);
    assert!(scene.events_named("contact_abandoned").is_empty());
}

#[test]
fn announcements_are_said_in_the_early_dialog() {
    let (mut scene, music, _) = hears();
    scene.pass(Duration::from_secs(5));
    let info = scene.next().expect("an INFO");
    assert_eq!(info.method(), Some(&Method::Info));
    assert_eq!(info.to_tag().as_deref(), Some(music.to_tag.as_str()));
    assert_eq!(info.from_tag(), music.invite.from_tag());
    let said = std::str::from_utf8(&info.body).unwrap();
    assert_eq!(said, "{\"parts\":[{\"position\":1}]}");
    scene.receive(&Message::response_to(&info, 200, ""));
    scene.expect_nothing();
}

#[test]
fn the_music_ends_when_the_caller_cancels_or_goes_elsewhere() {
    let (mut scene, music, invite) = hears();
    scene.cancel(&invite);
    scene.expect(487);
    scene.expect_cancel(&music);
    scene.refuse(&music, 487);
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);

    let (mut scene, music, _) = hears();
    scene.pass(Duration::from_secs(100));
    let seen: Vec<Message> = std::iter::from_fn(|| scene.next()).collect();
    let of = |method: Method| seen.iter().filter(move |m| m.method() == Some(&method));
    assert_eq!(seen.iter().filter(|m| m.status() == Some(302)).count(), 1);
    assert_eq!(of(Method::Cancel).count(), 1);
    let branch = |m: &Message| m.headers.get(HeaderName::Via).unwrap().to_owned();
    let cancel = of(Method::Cancel).next().unwrap();
    assert_eq!(branch(cancel), branch(&music.invite));
}

#[test]
fn a_caller_who_ends_the_early_dialog_has_given_up() {
    let (mut scene, music, _) = hears();
    scene.refuse(&music, 487);
    scene.expect(487);
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);
}

#[test]
fn a_relay_that_cannot_play_costs_nothing() {
    let (mut scene, music, _) = waits();
    scene.refuse(&music, 488);
    scene.pass(Duration::from_secs(5));
    scene.expect_nothing();
    anna_comes(&mut scene);
    let offer = scene.expect_transfer("anna");
    scene.answer(&offer, 180);
    scene.expect(180);
    scene.answer(&offer, 200);
    scene.expect(200);
    scene.expect_nothing();
}
