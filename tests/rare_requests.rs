//! What few phones send and RFCs give one answer to: `sips` without TLS, callers that want every
//! provisional answer acknowledged, and words for the other side in a BYE.

use crate::support;

use std::net::IpAddr;

use support::media::Media;
use support::message::Sip;
use support::party::Extra;
use support::raw::{Raw, sdp};
use support::stream::Stream;
use support::{AGENT, CALLER, Centre, Declaration, Party, SOON, until};

fn offer(ip: IpAddr, centre: &Centre) -> (Media, String) {
    let media = Media::open(ip, &centre.ports);
    let text = sdp(media.address(), "0", "a=rtpmap:0 PCMU/8000\r\n");
    (media, text)
}

// A1: RFC 3261 section 26.2.2, sips asks for TLS on every hop
#[test]
fn sips_without_tls_is_416() {
    let centre = Centre::start();
    centre.declare_anna();
    let (_media, text) = offer(CALLER, &centre);
    let phone = Raw::open(CALLER, &centre.ports, centre.edge);
    let uri = format!("sips:support@{}", centre.edge);
    let invite = phone.request("INVITE", &uri, "support", &text);
    phone.send(&invite);
    let refused = phone.expect("416", SOON, |sip| sip.is_answer(416, "INVITE"));
    phone.send(phone.ack(&invite, &refused));
    let mut stream = Stream::open(CALLER, centre.edge);
    let options = phone.request("OPTIONS", &uri, "support", "");
    stream.send(options.replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
    let answer = stream.next(SOON).expect("an answer");
    assert!(answer.is_answer(416, "OPTIONS"), "{}", answer.0);
    assert!(centre.contacts().is_empty(), "nobody was asked");
}

// B6: RFC 3262 section 3
#[test]
fn who_requires_100rel_is_told_nothing_unreliable_while_waiting() {
    let centre = Centre::start();
    let at = centre.agent_address();
    let agent = format!("uri = \"sip:anna@{at}\"\npaused = true");
    centre.apply(&Declaration::new().agent("anna", &agent));
    let (_carlas, text) = offer(CALLER, &centre);
    let (_annas, answer) = offer(AGENT, &centre);
    let mut carla = Party::caller(&centre, false);
    let wants = Extra::lines("Require: 100rel\r\nSupported: 100rel\r\n");
    carla.invite("support", &wants.body("application/sdp", text));
    until("the call waits", SOON, || {
        let all = centre.contacts();
        all.iter()
            .find(|contact| contact["state"] == "waiting")
            .map(|_| ())
    });
    let mut anna = Party::agent(&centre, at, false);
    centre.apply(&Declaration::new().at("anna", at));
    let asked = anna.takes("INVITE");
    assert!(
        asked
            .header("Require")
            .is_some_and(|tags| tags.contains("100rel")),
        "{}",
        asked.0
    );
    anna.answer(&asked, 200, &Extra::sdp(answer));
    let taken = carla.hears(200, 1, "INVITE");
    carla.ack(&taken, &Extra::default());
    anna.takes("ACK");
    let unreliable = |sip: &Sip| {
        sip.status()
            .is_some_and(|status| (101..200).contains(&status))
    };
    assert!(
        !carla.has_got(unreliable),
        "no answer that needs a PRACK and cannot get one"
    );
    hang_up((&mut carla, 2), &mut anna, "");
    centre.wait_empty();
}

/// One hangs up with these words; the other's BYE is given back.
fn hang_up((from, number): (&mut Party, u32), other: &mut Party, words: &str) -> Sip {
    from.ask("BYE", number, &Extra::lines(words));
    let bye = other.takes("BYE");
    other.answer(&bye, 200, &Extra::default());
    from.hears(200, number, "BYE");
    bye
}

// A10 B6: RFC 7433 section 4, RFC 3326
#[test]
fn a_bye_brings_words_to_the_other_side() {
    for caller_hangs_up in [true, false] {
        let centre = Centre::start();
        let at = centre.declare_anna();
        let (_carlas, text) = offer(CALLER, &centre);
        let (_annas, answer) = offer(AGENT, &centre);
        let mut anna = Party::agent(&centre, at, false);
        let mut carla = Party::caller(&centre, false);
        carla.invite("support", &Extra::sdp(text));
        let asked = anna.takes("INVITE");
        anna.answer(&asked, 200, &Extra::sdp(answer));
        let taken = carla.hears(200, 1, "INVITE");
        carla.ack(&taken, &Extra::default());
        anna.takes("ACK");
        let words = format!(
            "User-to-User: 00c0ffee;encoding=hex\r\nReason: Q.850;cause=16\r\n\
             X-Home: {CALLER} and {AGENT}\r\n"
        );
        let bye = match caller_hangs_up {
            true => hang_up((&mut carla, 2), &mut anna, &words),
            false => hang_up((&mut anna, 1), &mut carla, &words),
        };
        assert_eq!(bye.header("User-to-User"), Some("00c0ffee;encoding=hex"));
        assert_eq!(bye.header("Reason"), Some("Q.850;cause=16"));
        assert_eq!(bye.header("X-Home"), None, "it names an address");
        centre.wait_empty();
    }
}
