//! Callers who are answered and wait in the call: what they hear, and that the agent takes the music's place
//! without a word to their phone.

use crate::support;
use crate::waiting_callers::{
    MUSIC_HZ, THANKS_HZ, declare, hears, invites, set_status, sounds, with, with_events,
};

use std::time::Duration;

use support::forms::{self, Form};
use support::message::Sip;
use support::party::Extra;
use support::sipp::received;
use support::{CALLER, Media, RELAY, SOON, Setup, Stage, until};

in_each_form!(a_caller_who_was_answered_waits_in_the_call_and_then_has_its_agent);

// D14 A4 B7
fn a_caller_who_was_answered_waits_in_the_call_and_then_has_its_agent(form: Form) {
    let folder = sounds();
    let Some(stage) = Stage::set_with(with(forms::setup(form), &folder)) else {
        return;
    };
    let (centre, carla, anna) = (&stage.centre, &stage.carla, &stage.anna);
    let waiting = "answer = true, say = [\"thanks\"], first_seconds = 2, every_seconds = 0";
    declare(centre, stage.agent_at(), waiting, "");
    let call = stage.call(
        stage.agent("agent.xml").hold(Duration::from_secs(3)),
        stage.caller("caller.xml").hold(Duration::from_secs(10)),
    );
    let to_anna = call.to_anna();
    assert_eq!(to_anna.ip(), RELAY);
    hears(carla, MUSIC_HZ);
    hears(carla, THANKS_HZ);
    assert_eq!(centre.contacts()[0]["state"], "waiting");

    set_status(centre, "ready");
    let to_carla = call.to_carla();
    centre.wait_in_call("anna");
    anna.talk(to_carla, 1, 20);
    carla.talk(to_anna, 1, 20);
    carla.wait_intact(anna.ssrc(), 20, SOON);
    anna.wait_intact(carla.ssrc(), 20, SOON);
    assert!(carla.arrived().iter().all(|packet| packet.from == to_anna));
    let of_music = || {
        let arrived = carla.arrived();
        let music = arrived.iter().filter(|packet| packet.ssrc() != anna.ssrc());
        music.count()
    };
    let at_answer = of_music();
    anna.talk(to_carla, 21, 20);
    carla.wait_intact(anna.ssrc(), 40, SOON);
    assert_eq!(of_music(), at_answer, "the music has ended");
    assert_eq!(invites(&call.caller.messages()), 0, "no re-INVITE");
    let answers = call.caller.messages();
    let answers = received(&answers).filter(|sip| sip.status() == Some(200));
    assert_eq!(answers.count(), 1, "one answer");
    assert_eq!(centre.relay_sessions().len(), 1);
    call.ends();
    until("nothing is played", SOON, || {
        (centre.relay_metric("patchbay_player_listeners") == 0.0).then_some(())
    });
}

// D14
#[test]
fn a_key_leads_a_caller_in_a_call_to_another_address() {
    let folder = sounds();
    let Some(stage) = Stage::set_with(with(Setup::default(), &folder)) else {
        return;
    };
    let (centre, carla, mailbox) = (&stage.centre, &stage.carla, &stage.anna);
    let at = stage.agent_at();
    let overflow =
        format!("{{ when = \"pressed\", key = \"1\", redirect = \"sip:mailbox@{at}\" }}");
    declare(centre, at, "answer = true", &overflow);
    let call = stage.call(
        stage.agent("agent.xml").hold(Duration::from_secs(3)),
        with_events(stage.caller("caller.xml")).hold(Duration::from_secs(8)),
    );
    let to_mailbox = call.to_anna();
    hears(carla, MUSIC_HZ);
    carla.press(to_mailbox, 1, 100);
    let to_carla = call.to_carla();
    call.agent
        .receives("an ACK", SOON, |sip| sip.is_request("ACK"));
    mailbox.talk(to_carla, 1, 20);
    carla.wait_intact(mailbox.ssrc(), 20, SOON);
    assert_eq!(invites(&call.caller.messages()), 0, "no re-INVITE");
    let past = centre.api.get("/api/v1/contacts");
    assert_eq!(past["past"][0]["outcome"], "redirected");
    call.ends();
}

// D14
#[test]
fn a_caller_who_was_answered_may_hang_up_or_is_told_by_a_bye() {
    let folder = sounds();
    let centre = with(Setup::default(), &folder).start();
    let overflow = "{ when = \"pressed\", key = \"9\", refuse = 480 }";
    declare(&centre, centre.agent_address(), "answer = true", overflow);
    for presses in [false, true] {
        let media = Media::open(CALLER, &centre.ports);
        let mut carla = support::Party::caller(&centre, false);
        carla.invite("support", &Extra::audio(media.address()));
        let answer: Sip = carla.hears(200, 1, "INVITE");
        carla.ack(&answer, &Extra::default());
        hears(&media, MUSIC_HZ);
        if presses {
            let key = Extra::default().body("application/dtmf-relay", "Signal=9\r\n");
            carla.ask("INFO", 2, &key);
            carla.hears(200, 2, "INFO");
            let bye = carla.takes("BYE");
            carla.answer(&bye, 200, &Extra::default());
        } else {
            carla.ask("BYE", 2, &Extra::default());
            carla.hears(200, 2, "BYE");
        }
        centre.wait_empty();
    }
    until("both are told of", SOON, || {
        let past = centre.api.get("/api/v1/contacts");
        let ends = [&past["past"][0]["outcome"], &past["past"][1]["outcome"]];
        (ends == ["refused", "abandoned"]).then_some(())
    });
}
