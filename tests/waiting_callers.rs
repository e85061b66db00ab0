//! What callers hear who wait: music, announcements, and what the keys do that they press; and that the
//! agent who answers takes the music's place without a re-INVITE.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use support::baresip::Baresip;
use support::forms::{self, Form};
use support::message::Sip;
use support::party::Extra;
use support::process::Folder;
use support::sipp::{Phone, received};
use support::sound::{has_tone, samples, tone};
use support::{
    CALL, CALLER, Centre, Declaration, Media, RELAY, SOON, Setup, Sipp, Stage, have, until,
};

const EVENTS: &str = "\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16";
/// Pitches of the music, and of what is announced.
pub const MUSIC_HZ: u32 = 600;
pub const THANKS_HZ: u32 = 1000;
/// Half a second of sound.
const HEARD: usize = 25;

/// A folder with a stereo piece of music as musicians have it, and an announcement.
pub fn sounds() -> Folder {
    let folder = Folder::make();
    let music = tone(MUSIC_HZ, 44_100, 2, 5);
    std::fs::write(folder.file("soft.wav"), music).expect("a sound file");
    let thanks = tone(THANKS_HZ, 16_000, 1, 1);
    std::fs::write(folder.file("thanks.wav"), thanks).expect("a sound file");
    folder
}

pub fn with(setup: Setup, folder: &Folder) -> Setup {
    setup.relay(&format!("sounds = \"{}\"\n", folder.path().display()))
}

/// Anna is at a fixed address and takes no calls yet; callers hear the music.
pub fn declare(centre: &Centre, anna: SocketAddr, waiting: &str, overflow: &str) {
    let declaration = Declaration::new()
        .at("anna", anna)
        .queue("when_no_agents", "\"wait\"")
        .queue("waiting", format!("{{ music = \"soft\", {waiting} }}"))
        .queue("overflow", format!("[{overflow}]"))
        .rules("[[queue]]\nid = \"others\"\nwhen_no_agents = \"wait\"\n");
    centre.apply(&declaration);
    set_status(centre, "paused");
}

pub fn set_status(centre: &Centre, status: &str) {
    let wanted = serde_json::json!({ "status": status });
    let answer = centre
        .api
        .request("POST", "/api/v1/agents/anna/status", Some(&wanted));
    assert!(answer.status < 300, "{}", answer.text);
}

pub fn with_events(phone: Sipp) -> Sipp {
    phone.word("formats", " 101").word("lines", EVENTS)
}

/// Where the caller is to send to while it waits.
fn waits_at(caller: &Phone) -> SocketAddr {
    let progress = caller.receives("early media", SOON, |sip| sip.status() == Some(183));
    progress.audio().expect("an answer with audio")
}

/// Waits until the last half second that came is of this pitch.
pub fn hears(media: &Media, hz: u32) {
    until(&format!("{hz} Hz"), SOON, || {
        let arrived = media.arrived();
        let last = arrived.len().checked_sub(HEARD)?;
        has_tone(&samples(&arrived[last..]), hz).then_some(())
    });
}

pub fn invites(caller: &[support::sipp::Seen]) -> usize {
    received(caller)
        .filter(|sip| sip.is_request("INVITE"))
        .count()
}

in_each_form!(music_until_the_agent_answers);

// D14 A4 B7
fn music_until_the_agent_answers(form: Form) {
    let folder = sounds();
    let Some(stage) = Stage::set_with(with(forms::setup(form), &folder)) else {
        return;
    };
    let (centre, carla, anna) = (&stage.centre, &stage.carla, &stage.anna);
    let waiting = "say = [\"thanks\"], first_seconds = 2, every_seconds = 0";
    declare(centre, stage.agent_at(), waiting, "");
    let call = stage.call(
        stage.agent("agent.xml").hold(Duration::from_secs(3)),
        stage.caller("caller.xml").hold(Duration::from_secs(3)),
    );
    let early = waits_at(&call.caller);
    assert_eq!(early.ip(), RELAY);
    hears(carla, MUSIC_HZ);
    hears(carla, THANKS_HZ);
    hears(carla, MUSIC_HZ);
    let music = carla.arrived();
    assert!(music.iter().all(|packet| packet.from == early));
    assert_eq!(centre.contacts().len(), 1);
    let sessions = centre.relay_sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["agent"], "", "nobody is called");

    set_status(centre, "ready");
    let to_anna = call.to_anna();
    let to_carla = call.to_carla();
    anna.talk(to_carla, 1, 20);
    carla.talk(to_anna, 1, 20);
    carla.wait_intact(anna.ssrc(), 20, SOON);
    anna.wait_intact(carla.ssrc(), 20, SOON);
    let of_music = || {
        let arrived = carla.arrived();
        arrived.iter().filter(|packet| packet.from == early).count()
    };
    let at_answer = of_music();
    anna.talk(to_carla, 21, 20);
    assert_eq!(of_music(), at_answer, "the music has ended");
    assert_eq!(invites(&call.caller.messages()), 0, "no re-INVITE");
    call.ends();
    until("nothing is played", SOON, || {
        (centre.relay_metric("patchbay_player_listeners") == 0.0).then_some(())
    });
}

// D14
#[test]
fn a_key_leads_to_another_address() {
    let folder = sounds();
    if !have(&["sipp"]) {
        return;
    }
    let centre = with(Setup::default(), &folder).start();
    let overflow =
        "{ when = \"pressed\", key = \"1\", redirect = \"sip:callback@centre.example\" }";
    declare(&centre, centre.agent_address(), "", overflow);
    let carla = Media::open(CALLER, &centre.ports);
    let caller = with_events(Sipp::caller("caller_refused.xml", CALLER, &centre))
        .word("status", "302")
        .media(&carla)
        .start();
    let at = waits_at(&caller);
    hears(&carla, MUSIC_HZ);
    // A key that leads nowhere is told and changes nothing.
    carla.press(at, 9, 1);
    carla.press(at, 1, 100);
    let seen = caller.succeeds(CALL);
    let moved = received(&seen).find(|sip| sip.status() == Some(302));
    let contact = moved.and_then(|sip| sip.header("Contact"));
    assert_eq!(contact, Some("<sip:callback@centre.example>"));
    until("the story tells of both keys", SOON, || {
        let past = centre.api.get("/api/v1/contacts");
        let id = past["past"][0]["id"].as_str()?.to_owned();
        let story = centre.api.get(&format!("/api/v1/contacts/{id}/timeline"));
        let story = story.to_string();
        let told = |key| story.contains(&format!("the caller presses {key}"));
        (told('9') && told('1')).then_some(())
    });
    centre.wait_empty();
}

// D14
#[test]
fn a_key_by_info_leads_to_another_queue() {
    let folder = sounds();
    let centre = with(Setup::default(), &folder).start();
    let overflow = "{ when = \"pressed\", key = \"#\", queue = \"others\" }";
    declare(&centre, centre.agent_address(), "", overflow);
    let media = Media::open(CALLER, &centre.ports);
    let mut carla = support::Party::caller(&centre, false);
    carla.invite("support", &Extra::audio(media.address()));
    let progress: Sip = carla.hears(183, 1, "INVITE");
    hears(&media, MUSIC_HZ);
    let contact = progress.header("Contact").expect("a Contact");
    let target = contact.trim_matches(['<', '>']).to_owned();
    let to = progress.header("To").expect("a To").to_owned();
    carla.leads(&target, &to);
    let key = Extra::default().body("application/dtmf-relay", "Signal=#\r\n");
    carla.ask("INFO", 2, &key);
    carla.hears(200, 2, "INFO");
    until("the contact waits in the other queue", SOON, || {
        (centre.contacts().first()?["queue"] == "others").then_some(())
    });
    carla.ask("BYE", 3, &Extra::default());
    carla.hears(200, 3, "BYE");
    carla.hears(487, 1, "INVITE");
    centre.wait_empty();
}

// D14 B7
#[test]
fn a_real_phone_hears_the_music_and_then_its_agent() {
    let folder = sounds();
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let setup = Setup::default().also_at(support::baresip::address());
    let centre = with(setup, &folder).start();
    let at = centre.agent_address();
    declare(&centre, at, "", "");
    let agent = Sipp::agent("agent.xml", at, &centre).start();
    let mut carla = Baresip::call(&centre, "udp", "carla");
    carla.says("183 Session Progress", SOON);
    until("the music is played", SOON, || {
        (centre.relay_metric("patchbay_player_packets_total") > 100.0).then_some(())
    });
    set_status(&centre, "ready");
    centre.wait_in_call("anna");
    carla.says("Call established", SOON);
    carla.close();
    agent.succeeds(CALL);
    let heard: Vec<f64> = carla.heard().into_iter().map(f64::from).collect();
    assert!(has_tone(&heard, MUSIC_HZ), "the caller hears the music");
    centre.wait_empty();
}

// D14
#[test]
fn a_caller_who_cannot_stay_hears_why_before_the_call_ends() {
    let folder = sounds();
    let centre = with(Setup::default(), &folder).start();
    let end = |queue: &str, end: &str| {
        format!(
            "[[queue]]\nid = \"{queue}\"\n\
             overflow = [{{ when = \"no_agents\", {end}, say = [\"thanks\"], say_seconds = 3 }}]\n\
             [[rule]]\nid = \"{queue}\"\nwhen = {{ to = \"{queue}@*\" }}\n\
             then = {{ queue = \"{queue}\" }}\n"
        )
    };
    let declaration = Declaration::new()
        .registers("anna", "a-long-password")
        .rules(&end("closed", "refuse = 486"))
        .rules(&end("mailbox", "redirect = \"sip:mailbox@voice.example\""));
    centre.apply(&declaration);
    for (queue, status) in [("closed", 486), ("mailbox", 302)] {
        let media = Media::open(CALLER, &centre.ports);
        let mut carla = support::Party::caller(&centre, false);
        carla.invite(queue, &Extra::audio(media.address()));
        carla.hears(183, 1, "INVITE");
        hears(&media, THANKS_HZ);
        let answer: Sip = carla.hears(status, 1, "INVITE");
        let contact = answer.header("Contact").unwrap_or_default();
        assert_eq!(contact.contains("mailbox@voice.example"), status == 302);
        carla.ack(&answer, &Extra::default());
        centre.wait_empty();
    }
    // Nothing is waited for where nothing can be heard.
    let mut carla = support::Party::caller(&centre, false);
    carla.invite("closed", &Extra::default());
    let answer = carla.hears(486, 1, "INVITE");
    carla.ack(&answer, &Extra::default());
}

// D14
#[test]
fn a_caller_may_hang_up_while_it_is_told_why() {
    let folder = sounds();
    let centre = with(Setup::default(), &folder).start();
    let overflow = "[{ when = \"no_agents\", refuse = 486, say = [\"thanks\"], say_seconds = 60 }]";
    let declaration = Declaration::new()
        .registers("anna", "a-long-password")
        .queue("overflow", overflow);
    centre.apply(&declaration);
    let media = Media::open(CALLER, &centre.ports);
    let mut carla = support::Party::caller(&centre, false);
    carla.invite("support", &Extra::audio(media.address()));
    carla.hears(183, 1, "INVITE");
    hears(&media, THANKS_HZ);
    carla.cancel(1);
    let answer = carla.hears(487, 1, "INVITE");
    carla.ack(&answer, &Extra::default());
    centre.wait_empty();
}
