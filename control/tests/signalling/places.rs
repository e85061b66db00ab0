//! Places of callers over a restart: told to their edges, and taken from the INVITEs that these send again.
//! A4, G1.
use crate::support::{ONE_REGISTERS, Scene};
use patchbay_control::signalling::Drop;
use patchbay_core::What;
use patchbay_sip::{HeaderName, Message};

/// What was told of places, in the order in which it was.
fn told(scene: &Scene) -> Vec<String> {
    let sent = scene.sent.iter().filter(|sent| sent.status() == Some(100));
    let places = sent.filter_map(|sent| sent.headers.get(HeaderName::PatchbayPlace));
    places.map(ToOwned::to_owned).collect()
}

/// A caller who waits, and its place.
fn waits(scene: &mut Scene, call: &str) -> String {
    scene.call(call);
    let places = told(scene);
    scene.expect(182);
    places.into_iter().next_back().expect("a place")
}

fn again(scene: &mut Scene, call: &str, place: &str) -> Message {
    let mut invite = scene.invite(call);
    invite.headers.push(HeaderName::PatchbayPlace, place);
    scene.receive(&invite);
    invite
}

fn waiting(scene: &Scene) -> Vec<String> {
    let snapshot = scene.machine.snapshot(scene.now());
    let queue = &snapshot.queues[0];
    queue
        .waiting
        .iter()
        .map(|one| one.contact.to_string())
        .collect()
}

#[test]
fn the_next_process_goes_on_with_the_same_contacts_in_their_places() {
    let mut before = Scene::new(ONE_REGISTERS);
    let first = waits(&mut before, "call-1");
    before.seconds(10);
    let second = waits(&mut before, "call-2");
    let contacts = waiting(&before);

    let mut scene = Scene::seeded(ONE_REGISTERS, 2);
    scene.seconds(20);
    scene.call("call-3");
    scene.expect(182);
    again(&mut scene, "call-2", &second);
    let told_again = told(&scene);
    scene.expect(182);
    again(&mut scene, "call-1", &first);
    scene.expect(182);
    assert_eq!(waiting(&scene)[..2], contacts[..]);
    assert_eq!(scene.events_named("contact_kept").len(), 2);
    let kept = scene.events.iter().find_map(|event| match event.what {
        What::ContactKept { waited_ms, .. } => Some(waited_ms),
        _ => None,
    });
    assert_eq!(kept, Some(10_000));
    assert_ne!(told_again, [second], "by another process");
    // The header goes no further.
    let request = scene.register_request("anna", Some("<sip:anna@198.51.100.1:5090>"), 1);
    let registered = scene.register(request, "anna", "open sesame");
    assert_eq!(registered.status(), Some(200));
    let transfer = scene.expect_transfer("anna");
    assert!(!transfer.invite.headers.contains(HeaderName::PatchbayPlace));
    assert_eq!(transfer.target.contact, contacts[0]);
}

#[test]
fn a_caller_whose_link_broke_has_its_place_under_a_new_name() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let place = waits(&mut scene, "call-1");
    scene.seconds(5);
    waits(&mut scene, "call-2");
    let before = waiting(&scene);
    scene.disconnect();
    assert_eq!(scene.events_named("contact_abandoned").len(), 2);
    scene.call("call-3");
    scene.expect(182);
    again(&mut scene, "call-1", &place);
    scene.expect(182);
    let after = waiting(&scene);
    assert_eq!(after.len(), 2);
    assert!(!before.contains(&after[0]));
    let kept = scene.events_named("contact_kept");
    assert_eq!(kept.len(), 1);
    let text = serde_json::to_string(&kept[0]).unwrap();
    assert!(text.contains(&after[0]), "it is before the new one: {text}");
    // The records of the first calls end in their time, and nothing of the second.
    scene.seconds(60);
    assert_eq!(waiting(&scene), after);
}

#[test]
fn a_caller_without_a_place_is_a_new_one_and_so_is_one_whose_place_cannot_be_read() {
    let mut scene = Scene::new(ONE_REGISTERS);
    let bad = ["none", "x y", "control-00.invalid e30", "", "a b c"];
    for (number, place) in bad.into_iter().enumerate() {
        again(&mut scene, &format!("call-{number}"), place);
        scene.expect(182);
    }
    assert_eq!(waiting(&scene).len(), bad.len());
    assert!(scene.events_named("contact_kept").is_empty());
    let counters = scene.machine.signalling().counters();
    assert_eq!(counters.dropped(Drop::BadPlace), 3);
}
