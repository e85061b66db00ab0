//! Fax: a call that began with sound goes over to T.38 (ITU-T T.38 annex D) when a fax machine is heard,
//! and back again. What is sent meanwhile is no RTP, and all of it arrives.

use crate::support;

use std::net::SocketAddr;

use support::message::Sip;
use support::sipp::{Phone, received};
use support::stage::Call;
use support::steps::{More, Of, accept, bye, ends, hears_invite, pause, sdp, send, takes};
use support::{AGENT, CALL, CALLER, Media, RELAY, SOON, Stage, until};

/// What a T.38 gateway says of itself (ITU-T T.38 table D.1).
const OF_T38: &str = "a=T38FaxVersion:0\na=T38MaxBitRate:14400\n\
    a=T38FaxRateManagement:transferredTCF\na=T38FaxMaxBuffer:1024\na=T38FaxMaxDatagram:400\n\
    a=T38FaxUdpEC:t38UDPRedundancy";

/// A description of fax in the place of sound.
fn t38(version: u32, port: u16) -> More {
    let text = format!(
        "v=0\no=party 1001 {version} IN IP[media_ip_type] [media_ip]\ns=-\n\
         c=IN IP[media_ip_type] [media_ip]\nt=0 0\nm=image {port} udptl t38\n{OF_T38}"
    );
    More::default().body("application/sdp", text)
}

fn sound(version: u32, port: u16) -> More {
    More::default().body("application/sdp", sdp(version, port, ""))
}

/// Asks for another description inside the call, and acknowledges the answer.
fn asks(of: Of, cseq: u32, more: &More) -> String {
    send(of, "INVITE", cseq, more) + &hears_invite(200) + &send(of, "ACK", cseq, &More::default())
}

fn accepts(more: &More) -> String {
    takes("INVITE") + &accept("200 OK", more)
}

/// Where its description wants fax: connection address and port of `m=image`.
fn image(sip: &Sip) -> Option<SocketAddr> {
    Sip(sip.0.replace("m=image ", "m=audio ")).audio()
}

/// A UDPTL packet (ITU-T T.38 clause 9.1): number, and a T.30 indicator as the primary part.
fn udptl(number: u16, from: u8) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![high, low, 0x01, from & 0x1f, 0x00, 0x00]
}

/// Both fax machines send, and each gets what the other sent, byte for byte.
fn fax(carla: &Media, anna: &Media, to_anna: SocketAddr, to_carla: SocketAddr) {
    for (from, to, other, mark) in [(carla, to_anna, anna, 2), (anna, to_carla, carla, 4)] {
        // The first numbers look like STUN to who knows nothing of UDPTL.
        let sent: Vec<Vec<u8>> = (0..20).map(|number| udptl(number, mark)).collect();
        sent.iter().for_each(|packet| from.send(to, packet));
        until("the fax packets", SOON, || {
            let arrived = other.arrived();
            let got: Vec<&[u8]> = arrived
                .iter()
                .map(|packet| &packet.bytes[..])
                .filter(|bytes| bytes.len() == 6)
                .collect();
            (got == sent).then_some(())
        });
    }
}

fn talk(carla: &Media, anna: &Media, to_anna: SocketAddr, to_carla: SocketAddr, first: u16) {
    carla.talk(to_anna, first, 10);
    anna.talk(to_carla, first, 10);
    let so_far = usize::from(first) + 9;
    anna.wait_intact(carla.ssrc(), so_far, SOON);
    carla.wait_intact(anna.ssrc(), so_far, SOON);
}

/// The description of that kind that a phone got, in an INVITE inside the call or in the answer to one.
fn described(phone: &Phone, kind: &str, cseq: &str) -> Sip {
    phone.receives(&format!("{kind} with {cseq}"), CALL, |sip| {
        sip.body().contains(kind) && sip.header("CSeq").is_some_and(|own| own == cseq)
    })
}

/// What came to each side names no address of the other, and says of fax what its sender said.
fn assert_passed(call: Call<'_>) {
    let (caller, agent) = (call.caller.succeeds(CALL), call.agent.succeeds(SOON));
    for (seen, other) in [(&caller, AGENT), (&agent, CALLER)] {
        let mut faxes = 0;
        for sip in received(seen) {
            assert!(!sip.0.contains(&other.to_string()), "{}", sip.0);
            if sip.body().contains("m=image") {
                faxes += 1;
                for line in OF_T38.lines() {
                    assert!(sip.body().contains(line), "{line}: {}", sip.0);
                }
                assert!(!sip.body().contains("m=audio"), "{}", sip.0);
            }
        }
        assert_eq!(faxes, 1);
    }
}

// B6 B7: ITU-T T.38 annex D.2.2, the machine that is called asks
#[test]
fn the_called_fax_machine_goes_over_to_t38_and_back() {
    let Some(stage) = Stage::set() else { return };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let (carlas, annas) = (carla.address().port(), anna.address().port());
    let agent = asks(Of::Agent, 5, &t38(2001, annas))
        + &pause(800)
        + &asks(Of::Agent, 6, &sound(2002, annas))
        + &ends();
    let caller = accepts(&t38(1001, carlas))
        + &accepts(&sound(1002, carlas))
        + &pause(1200)
        + &bye(Of::Caller, 2);
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    // The machine asks at once; the one that called hears of it after the answer to its INVITE.
    call.to_anna();
    let asked = call.caller.receives("T.38", CALL, |sip| {
        sip.is_request("INVITE") && sip.body().contains("m=image")
    });
    let agreed = described(&call.agent, "m=image", "5 INVITE");
    let (fax_to_anna, fax_to_carla) = (image(&asked), image(&agreed));
    let (fax_to_anna, fax_to_carla) = (fax_to_anna.unwrap(), fax_to_carla.unwrap());
    assert_eq!((fax_to_anna.ip(), fax_to_carla.ip()), (RELAY, RELAY));
    fax(carla, anna, fax_to_anna, fax_to_carla);

    let again = described(&call.agent, "m=audio", "6 INVITE")
        .audio()
        .unwrap();
    let asked = call.caller.receives("sound again", CALL, |sip| {
        sip.is_request("INVITE") && sip.body().contains("m=audio")
    });
    talk(carla, anna, asked.audio().unwrap(), again, 1);
    assert_passed(call);
    stage.centre.wait_empty();
}

// B6 B7: the machine that calls asks
#[test]
fn the_calling_fax_machine_goes_over_to_t38_and_the_call_ends_so() {
    let Some(stage) = Stage::set() else { return };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let (carlas, annas) = (carla.address().port(), anna.address().port());
    let caller = asks(Of::Caller, 2, &t38(1001, carlas)) + &pause(800) + &bye(Of::Caller, 3);
    let agent = accepts(&t38(2001, annas)) + &ends();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    let asked = call.agent.receives("T.38", CALL, |sip| {
        sip.is_request("INVITE") && sip.body().contains("m=image")
    });
    let agreed = described(&call.caller, "m=image", "2 INVITE");
    let (to_carla, to_anna) = (image(&asked).unwrap(), image(&agreed).unwrap());
    fax(carla, anna, to_anna, to_carla);
    assert_passed(call);
    stage.centre.wait_empty();
}

// B6: RFC 3264 section 8.3.1, who cannot do it refuses, and the sound stays as it was
#[test]
fn a_phone_that_knows_no_t38_refuses_and_the_sound_goes_on() {
    let Some(stage) = Stage::set() else { return };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let refused = send(Of::Agent, "INVITE", 5, &t38(2001, anna.address().port()))
        + &hears_invite(488)
        + &send(Of::Agent, "ACK", 5, &More::default());
    let agent = refused + &ends();
    let caller = takes("INVITE") + &accept("488 Not Acceptable Here", &More::default());
    let caller = caller + &pause(800) + &bye(Of::Caller, 2);
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    call.agent
        .receives("488", CALL, |sip| sip.is_answer(488, "INVITE"));
    talk(carla, anna, to_anna, to_carla, 1);
    call.ends();
}
