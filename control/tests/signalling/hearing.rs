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

/// A caller who waits in a call, with the transfer by which it was answered.
fn waits_in_call(declared: &str) -> (Scene, Transfer, Message) {
    let centre = declared.replace("music = \"soft\"", "music = \"soft\", answer = true");
    let mut scene = Scene::new(&centre);
    let invite = scene.call("call-1");
    scene.expect(182);
    let music = scene.expect_transfer("");
    assert!(music.target.hears.as_ref().unwrap().answered);
    scene.answer(&music, 200);
    let answer = scene.expect(200);
    assert_eq!(answer.to_tag().as_deref(), Some(music.to_tag.as_str()));
    (scene, music, invite)
}

/// Lets time pass in which announcements are said, and nothing else.
fn hears_for(scene: &mut Scene, seconds: &[u64]) {
    for seconds in seconds {
        scene.pass(Duration::from_secs(*seconds));
        while let Some(info) = scene.next() {
            assert_eq!(info.method(), Some(&Method::Info));
            scene.receive(&Message::response_to(&info, 200, ""));
        }
    }
}

fn says_goodbye(scene: &mut Scene, music: &Transfer) {
    let bye = scene.next().expect("a BYE");
    assert_eq!(bye.method(), Some(&Method::Bye));
    assert_eq!(bye.to_tag().as_deref(), Some(music.to_tag.as_str()));
    assert_eq!(bye.from_tag(), music.invite.from_tag());
    // Whatever the caller itself has said before.
    assert!(bye.cseq().unwrap().number > 1_000_000);
    scene.receive(&Message::response_to(&bye, 200, ""));
    scene.expect_nothing();
}

fn has_left(scene: &mut Scene) {
    use patchbay_control::link::LinkReport;
    use patchbay_route::session::{RelayEvent, SessionEvent};
    use patchbay_route::waiting::Left;
    let contact = scene.events_named("contact_typed")[0]["contact"].clone();
    let contact = contact.as_str().unwrap().to_owned();
    let event = RelayEvent {
        cursor: 1,
        unix_ms: 0,
        event: SessionEvent::Left(Left { contact }),
    };
    let event = event.into();
    scene.link(LinkReport::Event { relay: 0, event });
}

#[test]
fn who_waits_in_a_call_is_answered_once_and_the_agent_joins() {
    let (mut scene, music, _) = waits_in_call(HEARS);
    // Its ACK has not come yet.
    scene.answer(&music, 200);
    scene.expect(200);
    hears_for(&mut scene, &[5, 65]);
    anna_comes(&mut scene);
    let offer = scene.expect_transfer("anna");
    assert!(offer.target.joins && offer.target.hears.is_none());
    scene.answer(&offer, 180);
    scene.answer(&offer, 200);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);
    assert!(scene.events_named("contact_abandoned").is_empty());
    scene.pass(Duration::from_secs(60));
    scene.expect_nothing();
}

#[test]
fn who_waits_in_a_call_and_leaves_has_given_up() {
    let (mut scene, _, _) = waits_in_call(HEARS);
    has_left(&mut scene);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);

    // While anna's phone rings, it is told so; and when the relay knows it first.
    for told in [true, false] {
        let (mut scene, _, _) = waits_in_call(HEARS);
        anna_comes(&mut scene);
        let offer = scene.expect_transfer("anna");
        match told {
            true => {
                has_left(&mut scene);
                scene.expect_cancel(&offer);
                scene.refuse(&offer, 487);
            }
            false => scene.refuse(&offer, 481),
        }
        scene.expect_nothing();
        assert_eq!(scene.events_named("contact_abandoned").len(), 1);
        assert!(scene.events_named("contact_connected").is_empty());
    }
}

#[test]
fn the_phone_that_came_second_does_not_take_the_caller_from_the_first() {
    let two = HEARS.replace(
        "id = \"support\"\n",
        "id = \"support\"\nstrategy = \"ring_all\"\n",
    ) + "\n[[agent]]\nid = \"bert\"\npassword = \"open sesame\"\n";
    let (mut scene, _, _) = waits_in_call(&two);
    anna_comes(&mut scene);
    let first = scene.expect_transfer("anna");
    let bert = scene.register_request("bert", Some("<sip:bert@198.51.100.2>"), 1);
    scene.register(bert, "bert", "open sesame");
    let second = scene.expect_transfer("bert");
    // By a tunnel each: what the relay said last comes first.
    scene.refuse(&second, 481);
    scene.answer(&first, 200);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);
    assert!(scene.events_named("contact_abandoned").is_empty());
}

#[test]
fn who_waits_in_a_call_is_gone_with_the_relay() {
    let (mut scene, _, _) = waits_in_call(HEARS);
    scene.disconnect();
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);
}

#[test]
fn who_has_waited_too_long_in_a_call_is_told_by_a_bye() {
    let refuses = HEARS.replace("redirect = \"sip:mail@example.com\"", "refuse = 480");
    let (mut scene, music, _) = waits_in_call(&refuses);
    hears_for(&mut scene, &[5, 50, 44]);
    scene.pass(Duration::from_secs(2));
    says_goodbye(&mut scene, &music);
    assert_eq!(scene.events_named("contact_refused").len(), 1);
}

/// The time at which the caller is sent to its mailbox, and the transfer that does it.
fn sent_onward(scene: &mut Scene) -> Transfer {
    hears_for(scene, &[5, 50, 44]);
    scene.pass(Duration::from_secs(2));
    let onward = scene.expect_transfer("");
    assert_eq!(onward.target.agent_uri, "sip:mail@example.com");
    assert!(onward.target.joins);
    assert_eq!(scene.events_named("contact_redirected").len(), 1);
    onward
}

#[test]
fn who_waits_in_a_call_is_sent_onward_by_the_relay() {
    let (mut scene, _, _) = waits_in_call(HEARS);
    let onward = sent_onward(&mut scene);
    scene.answer(&onward, 180);
    scene.answer(&onward, 200);
    scene.pass(Duration::from_secs(200));
    scene.expect_nothing();
}

#[test]
fn who_is_sent_where_nobody_answers_is_told_by_a_bye() {
    let (mut scene, music, _) = waits_in_call(HEARS);
    let onward = sent_onward(&mut scene);
    scene.refuse(&onward, 486);
    says_goodbye(&mut scene, &music);

    let (mut scene, _, _) = waits_in_call(HEARS);
    let onward = sent_onward(&mut scene);
    scene.answer(&onward, 180);
    has_left(&mut scene);
    scene.expect_cancel(&onward);
}

/// What control told of the caller's place last.
fn place_of(scene: &Scene) -> String {
    let places = scene.sent.iter();
    let places = places.filter_map(|sent| sent.headers.get(HeaderName::PatchbayPlace));
    places.last().expect("a place").to_owned()
}

#[test]
fn who_waits_in_a_call_goes_on_in_the_next_process() {
    let centre = HEARS.replace("music = \"soft\"", "music = \"soft\", answer = true");
    let mut before = Scene::new(&centre);
    before.call("call-1");
    let place = place_of(&before);
    let contact = before.events_named("contact_typed")[0]["contact"].clone();

    let mut scene = Scene::seeded(&centre, 2);
    let mut again = scene.invite("call-1");
    let place = format!("{place} tag-of-relay");
    again.headers.push(HeaderName::PatchbayPlace, place);
    scene.receive(&again);
    let ok = scene.expect(200);
    let told = ok.headers.get(HeaderName::PatchbayPlace);
    assert_eq!(told, contact.as_str());
    // The music is the declared one, and announcements go on.
    let info = scene.next().expect("an INFO");
    assert_eq!(info.method(), Some(&Method::Info));
    assert_eq!(info.to_tag().as_deref(), Some("tag-of-relay"));
    scene.receive(&Message::response_to(&info, 200, ""));
    hears_for(&mut scene, &[5]);
    let kept = place_of_info(&mut scene);
    assert!(kept.is_none(), "it is told once");

    anna_comes(&mut scene);
    let offer = scene.expect_transfer("anna");
    assert!(offer.target.joins);
    assert_eq!(Some(offer.target.contact.as_str()), contact.as_str());
    scene.answer(&offer, 200);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);
}

fn place_of_info(scene: &mut Scene) -> Option<String> {
    let info = scene.next()?;
    let place = info.headers.get(HeaderName::PatchbayPlace)?;
    Some(place.to_owned())
}

#[test]
fn who_waits_in_a_call_and_overflows_has_its_new_place_kept() {
    let centre = HEARS.replace("redirect = \"sip:mail@example.com\"", "queue = \"other\"")
        + "\n[[queue]]\nid = \"other\"\nwhen_no_agents = \"wait\"\n";
    let (mut scene, _, _) = waits_in_call(&centre);
    hears_for(&mut scene, &[90]);
    scene.pass(Duration::from_secs(10));
    let mut places = Vec::new();
    while let Some(info) = scene.next() {
        let place = info.headers.get(HeaderName::PatchbayPlace);
        places.extend(place.map(ToOwned::to_owned));
        scene.receive(&Message::response_to(&info, 200, ""));
    }
    assert_eq!(places.len(), 1, "{places:?}");
    let mut next = Scene::seeded(&centre, 2);
    next.seconds(100);
    let mut again = next.invite("call-1");
    let place = format!("{} tag-of-relay", places[0]);
    again.headers.push(HeaderName::PatchbayPlace, place);
    next.receive(&again);
    next.expect(200);
    let kept = next.events_named("contact_kept");
    assert_eq!(kept[0]["queue"], "other");
}
