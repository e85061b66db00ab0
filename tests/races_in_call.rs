//! Both sides of a call act at once, or one of them out of turn: each gets the answer that is its
//! due, and a call that goes on has its sound.

use crate::support;

use std::net::SocketAddr;

use support::party::Extra;
use support::{AGENT, CALLER, Centre, Media, Party, SOON};

struct Call {
    centre: Centre,
    carla: Party,
    anna: Party,
    /// Their sound.
    ear: (Media, Media),
    /// Where Carla and Anna are to send.
    to_anna: Option<SocketAddr>,
    to_carla: Option<SocketAddr>,
    spoken: u16,
}

/// A description of sound at `media`.
fn sdp(media: &Media, version: u32, format: &str) -> Extra {
    let at = media.address();
    let name = if format == "8" { "PCMA" } else { "PCMU" };
    Extra::sdp(format!(
        "v=0\r\no=- 5 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP {format}\r\na=rtpmap:{format} {name}/8000\r\n",
        at.port(),
        ip = at.ip()
    ))
}

impl Call {
    /// Anna has answered; Carla has her answer, and has not acknowledged it.
    fn answered() -> Call {
        let centre = Centre::start();
        let at = centre.declare_anna();
        let ear = (
            Media::open(CALLER, &centre.ports),
            Media::open(AGENT, &centre.ports),
        );
        let mut anna = Party::agent(&centre, at, false);
        let mut carla = Party::caller(&centre, false);
        carla.invite("support", &sdp(&ear.0, 1, "0"));
        let asked = anna.takes("INVITE");
        anna.answer(&asked, 200, &sdp(&ear.1, 1, "0"));
        let answer = carla.hears(200, 1, "INVITE");
        Call {
            to_anna: answer.audio(),
            to_carla: asked.audio(),
            centre,
            carla,
            anna,
            ear,
            spoken: 0,
        }
    }

    /// The same, acknowledged.
    fn set_up() -> Call {
        let mut call = Call::answered();
        let mut got = call.carla.got.iter().rev();
        let answer = got.find(|sip| sip.is_answer(200, "INVITE"));
        let answer = answer.expect("an answer").clone();
        call.carla.ack(&answer, &Extra::default());
        call.anna.takes("ACK");
        call
    }

    /// Both talk; all of it arrives.
    fn talk(&mut self) {
        let (carlas, annas) = (&self.ear.0, &self.ear.1);
        let (to_anna, to_carla) = (self.to_anna.expect("audio"), self.to_carla.expect("audio"));
        let count = 10;
        std::thread::scope(|threads| {
            threads.spawn(|| carlas.talk(to_anna, self.spoken + 1, count));
            threads.spawn(|| annas.talk(to_carla, self.spoken + 1, count));
        });
        self.spoken += count;
        annas.wait_intact(carlas.ssrc(), usize::from(self.spoken), SOON);
        carlas.wait_intact(annas.ssrc(), usize::from(self.spoken), SOON);
    }

    /// Carla hangs up.
    fn ends(mut self, number: u32) {
        self.carla.ask("BYE", number, &Extra::default());
        let bye = self.anna.takes("BYE");
        self.anna.answer(&bye, 200, &Extra::default());
        self.carla.hears(200, number, "BYE");
        self.centre.wait_empty();
    }
}

// B6: RFC 3261 section 15.1.2, who was asked before is answered 487
#[test]
fn a_bye_that_crosses_a_reinvite_ends_the_call_and_both_get_their_answers() {
    let mut call = Call::set_up();
    let none = Extra::default();
    call.carla.ask("INVITE", 2, &sdp(&call.ear.0, 2, "0"));
    let asked = call.anna.takes("INVITE");
    // Nothing is taken back before somebody has said that it is there (section 9.1).
    call.anna.answer(&asked, 100, &none);
    call.anna.ask("BYE", 1, &none);
    call.anna.hears(200, 1, "BYE");
    let refused = call.carla.hears(487, 2, "INVITE");
    call.carla.ack(&refused, &none);
    let bye = call.carla.takes("BYE");
    call.carla.answer(&bye, 200, &none);
    // Anna's phone is told that nobody waits for its answer any more.
    let cancel = call.anna.takes("CANCEL");
    call.anna.answer(&cancel, 200, &none);
    call.anna.answer(&asked, 487, &none);
    call.anna.takes("ACK");
    // What comes later finds no call (section 12.2.2).
    call.carla.ask("INVITE", 3, &sdp(&call.ear.0, 3, "0"));
    let refused = call.carla.hears(481, 3, "INVITE");
    call.carla.ack(&refused, &none);
    call.centre.wait_empty();
}

// B6: RFC 3261 section 15.1.1
#[test]
fn who_has_asked_may_hang_up_before_the_answer() {
    let mut call = Call::set_up();
    let none = Extra::default();
    call.anna.ask("INVITE", 1, &sdp(&call.ear.1, 2, "0"));
    let asked = call.carla.takes("INVITE");
    call.anna.ask("BYE", 2, &none);
    call.anna.hears(200, 2, "BYE");
    let refused = call
        .anna
        .expect("487 to its INVITE", |sip| sip.is_answer(487, "INVITE"));
    call.anna.ack(&refused, &none);
    // A 200 that crosses the CANCEL is acknowledged, and the call is over all the same.
    call.carla.answer(&asked, 200, &sdp(&call.ear.0, 2, "0"));
    let bye = call.carla.takes("BYE");
    call.carla.answer(&bye, 200, &none);
    call.centre.wait_empty();
    call.centre.wait_available("anna");
}

// B6: RFC 3261 section 15, a caller may hang up what it has not acknowledged
#[test]
fn a_caller_that_hangs_up_before_its_ack_ends_the_call() {
    let mut call = Call::answered();
    let none = Extra::default();
    let mut got = call.carla.got.iter();
    let answer = got.find(|sip| sip.is_answer(200, "INVITE")).cloned();
    let answer = answer.expect("an answer");
    let target = answer.contact().expect("a Contact");
    call.carla.leads(target, answer.header("To").expect("To"));
    call.carla.ask("BYE", 2, &none);
    call.carla.hears(200, 2, "BYE");
    call.anna.takes("ACK");
    let bye = call.anna.takes("BYE");
    call.anna.answer(&bye, 200, &none);
    // The ACK comes late, and harms nobody.
    call.carla.ack(&answer, &none);
    call.centre.wait_empty();
    call.centre.wait_available("anna");
    assert!(!call.carla.has_got(|sip| sip.is_request("BYE")));
}

// B6: RFC 3261 section 14.2
#[test]
fn of_two_reinvites_at_once_one_waits_and_succeeds() {
    let mut call = Call::set_up();
    let none = Extra::default();
    call.carla.ask("INVITE", 2, &sdp(&call.ear.0, 2, "0"));
    let asked = call.anna.takes("INVITE");
    call.anna.ask("INVITE", 1, &sdp(&call.ear.1, 2, "0"));
    let crossed = call.anna.hears(491, 1, "INVITE");
    call.anna.ack(&crossed, &none);
    call.anna.answer(&asked, 200, &sdp(&call.ear.1, 2, "0"));
    let answer = call.carla.hears(200, 2, "INVITE");
    call.carla.ack(&answer, &none);
    call.anna.takes("ACK");
    call.talk();
    // Section 14.1: when its time has come it asks once more.
    call.anna.ask("INVITE", 2, &sdp(&call.ear.1, 3, "0"));
    let asked = call.carla.takes("INVITE");
    call.carla.answer(&asked, 200, &sdp(&call.ear.0, 3, "0"));
    let answer = call.anna.hears(200, 2, "INVITE");
    call.anna.ack(&answer, &none);
    call.carla.takes("ACK");
    call.talk();
    call.ends(9);
}

// B6: RFC 3261 sections 14.1 and 14.2
#[test]
fn a_phone_that_sees_the_glare_first_refuses_and_is_asked_again() {
    let mut call = Call::set_up();
    let none = Extra::default();
    call.carla.ask("INVITE", 2, &sdp(&call.ear.0, 2, "0"));
    let asked = call.anna.takes("INVITE");
    call.anna.answer(&asked, 491, &none);
    call.anna.takes("ACK");
    let crossed = call.carla.hears(491, 2, "INVITE");
    call.carla.ack(&crossed, &none);
    call.talk();
    call.carla.ask("INVITE", 3, &sdp(&call.ear.0, 3, "0"));
    let asked = call.anna.takes("INVITE");
    call.anna.answer(&asked, 200, &sdp(&call.ear.1, 2, "0"));
    let answer = call.carla.hears(200, 3, "INVITE");
    call.carla.ack(&answer, &none);
    call.anna.takes("ACK");
    call.talk();
    call.ends(9);
}

// B6 B7: RFC 3261 sections 14.1 and 14.2, as real phones do it: each refuses what crosses its own. The
// caller made the Call-ID of its dialog and waits 2.1 to 4 s, the agent did not and waits 2 s at most: on each
// leg that is true of the phone itself, so the two do not meet again.
#[test]
fn of_two_reinvites_that_cross_both_are_refused_and_both_succeed_later() {
    let mut call = Call::set_up();
    let none = Extra::default();
    call.carla.ask("INVITE", 2, &sdp(&call.ear.0, 2, "0"));
    call.anna.ask("INVITE", 1, &sdp(&call.ear.1, 2, "0"));
    let asked = call.anna.takes("INVITE");
    let crossed = call.anna.hears(491, 1, "INVITE");
    call.anna.ack(&crossed, &none);
    call.anna.answer(&asked, 491, &none);
    call.anna.takes("ACK");
    let crossed = call.carla.hears(491, 2, "INVITE");
    call.carla.ack(&crossed, &none);
    assert!(!call.carla.has_got(|sip| sip.is_request("INVITE")));
    call.talk();

    std::thread::sleep(std::time::Duration::from_millis(500));
    call.anna.ask("INVITE", 2, &sdp(&call.ear.1, 3, "0"));
    let asked = call.carla.takes("INVITE");
    call.carla.answer(&asked, 200, &sdp(&call.ear.0, 3, "0"));
    let answer = call.anna.hears(200, 2, "INVITE");
    call.anna.ack(&answer, &none);
    call.carla.takes("ACK");
    std::thread::sleep(std::time::Duration::from_millis(1600));
    call.carla.ask("INVITE", 3, &sdp(&call.ear.0, 4, "0"));
    let asked = call.anna.takes("INVITE");
    call.anna.answer(&asked, 200, &sdp(&call.ear.1, 4, "0"));
    let answer = call.carla.hears(200, 3, "INVITE");
    call.carla.ack(&answer, &none);
    call.anna.takes("ACK");
    call.talk();
    call.ends(9);
}

// B6 B7: RFC 3264 section 8.3.2
#[test]
fn a_reinvite_changes_the_codec() {
    let mut call = Call::set_up();
    let none = Extra::default();
    call.talk();
    call.carla.ask("INVITE", 2, &sdp(&call.ear.0, 2, "8"));
    let asked = call.anna.takes("INVITE");
    assert!(asked.body().contains("a=rtpmap:8 PCMA/8000"), "{}", asked.0);
    assert_eq!(asked.audio(), call.to_carla, "the leg stays where it is");
    call.anna.answer(&asked, 200, &sdp(&call.ear.1, 2, "8"));
    let answer = call.carla.hears(200, 2, "INVITE");
    assert!(answer.body().contains("RTP/AVP 8"), "{}", answer.0);
    assert_eq!(answer.audio(), call.to_anna, "the leg stays where it is");
    call.carla.ack(&answer, &none);
    call.anna.takes("ACK");
    call.talk();
    call.ends(9);
}

// B6 B7: RFC 3261 section 13.2.1, RFC 3264 section 4: offer in the 200, answer in the ACK
#[test]
fn a_reinvite_without_offer_is_answered_with_one() {
    let mut call = Call::set_up();
    let moved = Media::open(AGENT, &call.centre.ports);
    call.talk();
    call.carla.ask("INVITE", 2, &Extra::default());
    let asked = call.anna.takes("INVITE");
    assert_eq!(asked.body(), "", "{}", asked.0);
    call.anna.answer(&asked, 200, &sdp(&moved, 2, "0"));
    let answer = call.carla.hears(200, 2, "INVITE");
    call.to_anna = answer.audio();
    call.carla.ack(&answer, &sdp(&call.ear.0, 2, "0"));
    let ack = call.anna.takes("ACK");
    call.to_carla = ack.audio();
    assert!(call.to_carla.is_some(), "{}", ack.0);
    assert!(!ack.0.contains(&CALLER.to_string()), "{}", ack.0);
    assert!(!answer.0.contains(&AGENT.to_string()), "{}", answer.0);
    call.ear.1 = moved;
    call.spoken = 0;
    let before = call.ear.0.intact_from(call.ear.1.ssrc()).len();
    assert_eq!(before, 0, "a new source");
    call.talk();
    call.ends(9);
}
