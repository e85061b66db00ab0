//! What descriptions say beside addresses reaches the engine: hold, removal, multiplexing,
//! encryption, events. B6 B7 G6.
use crate::support::*;
use patchbay_relay::engine::Side;
use patchbay_route::pair::Profile;
use patchbay_route::session::SessionEvent;
use patchbay_sip::Message;
use std::time::Duration;

const ANNA: &str = "203.0.113.7";

/// The caller's re-INVITE with that body, and the agent's 200 with the other.
fn renegotiate(bed: &mut Bed, call: &Call, cseq: u32, offered: Message, answered: &str) -> Message {
    bed.receive_message(udp(CALLER), &offered);
    let passed = bed.expect(AGENT, "INVITE");
    let mut ok = answer(&passed, 200, "anna");
    ok.set_body("application/sdp", answered.as_bytes().to_vec());
    bed.receive_message(udp(AGENT), &ok);
    bed.expect(AGENT, "ACK");
    let told = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &call.ok, cseq, CALLER));
    told
}

fn with_body(mut message: Message, body: &str) -> Message {
    message.set_body("application/sdp", body.as_bytes().to_vec());
    message
}

#[test]
fn every_form_of_hold_stops_the_media_toward_the_holder_and_lets_them_go_on_after_it() {
    let plain = sdp("192.0.2.9", 4000);
    let anna = sdp(ANNA, 6000);
    for (form, stays) in [
        (format!("{plain}a=sendonly\r\n"), true),
        (format!("{plain}a=inactive\r\n"), true),
        (sdp("0.0.0.0", 4000), false),
    ] {
        let mut bed = Bed::new();
        let call = establish(&mut bed);
        assert!(bed.remote(Side::Client).unwrap().receives);
        let hold = with_body(in_dialog("INVITE", &call.ok, 2, CALLER), &form);
        renegotiate(&mut bed, &call, 2, hold, &format!("{anna}a=recvonly\r\n"));
        let held = bed.remote(Side::Client).unwrap();
        let nowhere = held.rtp.ip().is_unspecified() && held.rtcp.ip().is_unspecified();
        assert_eq!((held.receives, nowhere), (!stays, !stays), "{form}");
        // The other side still listens: to music, if there is any.
        assert!(bed.remote(Side::Agent).unwrap().receives);
        let back = with_body(in_dialog("INVITE", &call.ok, 3, CALLER), &plain);
        renegotiate(&mut bed, &call, 3, back, &anna);
        let back = bed.remote(Side::Client).unwrap();
        assert_eq!(back.rtp, "192.0.2.9:4000".parse().unwrap());
        assert!(back.receives);
    }
}

#[test]
fn a_hold_in_words_of_ipv6_holds_a_side_on_ipv4() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let zeros = sdp("::", 4000).replace("IP4", "IP6");
    let hold = with_body(in_dialog("INVITE", &call.ok, 2, CALLER), &zeros);
    renegotiate(&mut bed, &call, 2, hold, &sdp(ANNA, 6000));
    // The engine takes addresses of the side's own family only.
    let held = bed.remote(Side::Client).unwrap();
    assert!(held.rtp.ip().is_unspecified() && held.rtp.is_ipv4());
}

#[test]
fn a_medium_that_is_taken_away_gives_its_ports_back_and_may_return() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let none = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.9", 0);
    let told = renegotiate(&mut bed, &call, 2, none, &sdp(ANNA, 0));
    assert!(String::from_utf8_lossy(&told.body).contains("m=audio 0 "));
    assert!(bed.media.lock().unwrap().open.is_empty());
    // Without media the call is on hold, not dead.
    bed.pass(Duration::from_secs(1000));
    let ended = |bed: &Bed| {
        let mut events = bed.events.iter();
        events.any(|event| matches!(event, SessionEvent::Ended(_)))
    };
    assert!(!ended(&bed));
    let again = with_sdp(in_dialog("INVITE", &call.ok, 3, CALLER), "192.0.2.9", 4010);
    let told = renegotiate(&mut bed, &call, 3, again, &sdp(ANNA, 6010));
    assert!(!String::from_utf8_lossy(&told.body).contains("m=audio 0 "));
    assert_eq!(bed.media.lock().unwrap().open.len(), 1);
}

#[test]
fn a_medium_that_is_taken_away_is_gone_even_if_the_answer_still_wants_it() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let none = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.9", 0);
    let told = renegotiate(&mut bed, &call, 2, none, &sdp(ANNA, 6000));
    assert!(String::from_utf8_lossy(&told.body).contains("m=audio 0 "));
    assert!(bed.media.lock().unwrap().open.is_empty());
}

#[test]
fn an_agent_that_refuses_the_only_medium_refuses_the_call() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let ok = with_sdp(answer(&offer, 200, "anna"), ANNA, 0);
    bed.receive_message(udp(AGENT), &ok);
    bed.expect("10.0.0.2:5070", "488");
    assert!(bed.media.lock().unwrap().open.is_empty());
}

#[test]
fn reports_share_the_port_only_if_both_sides_say_so() {
    let mux = "a=rtcp-mux\r\n";
    let elsewhere = "a=rtcp:9001 IN IP4 192.0.2.10\r\n";
    for (offered, answered, client, agent) in [
        (mux, mux, "192.0.2.9:4000", "203.0.113.7:6000"),
        (mux, "", "192.0.2.9:4001", "203.0.113.7:6001"),
        (elsewhere, "", "192.0.2.10:9001", "203.0.113.7:6001"),
        ("", "a=rtcp:7777\r\n", "192.0.2.9:4001", "203.0.113.7:7777"),
    ] {
        let mut bed = Bed::new();
        let call = establish(&mut bed);
        let again = in_dialog("INVITE", &call.ok, 2, CALLER);
        let again = with_lines(again, "192.0.2.9", 4000, offered);
        let answered = format!("{}{answered}", sdp(ANNA, 6000));
        let told = renegotiate(&mut bed, &call, 2, again, &answered);
        assert_hides(&told, &[ANNA, "7777"]);
        let rtcp = |side| bed.remote(side).unwrap().rtcp.to_string();
        assert_eq!(
            (rtcp(Side::Client), rtcp(Side::Agent)),
            (client.into(), agent.into())
        );
    }
}

#[test]
fn the_profile_of_each_medium_reaches_the_engine() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    assert_eq!(bed.remote(Side::Client).unwrap().profile, Profile::Plain);
    let protect = |text: &str| text.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF");
    let again = in_dialog("INVITE", &call.ok, 2, CALLER);
    let again = with_body(again, &protect(&sdp("192.0.2.9", 4000)));
    renegotiate(&mut bed, &call, 2, again, &protect(&sdp(ANNA, 6000)));
    for side in Side::ALL {
        assert_eq!(bed.remote(side).unwrap().profile, Profile::Protected);
    }
}

// F7
#[test]
fn the_clock_of_both_directions_is_that_of_the_answers_first_codec() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    for side in Side::ALL {
        assert_eq!(bed.remote(side).unwrap().clock_hz, 8000);
    }
    let formats = |text: &str, formats: &str| {
        let maps = "a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
        let line = text.lines().find(|line| line.starts_with("m=")).unwrap();
        let (start, _) = line.split_once("RTP/AVP").unwrap();
        text.replace(
            &format!("{line}\r\n"),
            &format!("{start}RTP/AVP {formats}\r\n{maps}"),
        )
    };
    let again = in_dialog("INVITE", &call.ok, 2, CALLER);
    let again = with_body(again, &formats(&sdp("192.0.2.9", 4000), "0 8 96 101"));
    let answer = formats(&sdp(ANNA, 6000), "101 96");
    renegotiate(&mut bed, &call, 2, again, &answer);
    for side in Side::ALL {
        assert_eq!(bed.remote(side).unwrap().clock_hz, 48_000);
    }
}

#[test]
fn a_side_that_receives_elsewhere_than_it_sends_from_is_believed() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let again = in_dialog("INVITE", &call.ok, 2, CALLER);
    let again = with_lines(again, "192.0.2.9", 4000, "a=direction:passive\r\n");
    renegotiate(&mut bed, &call, 2, again, &sdp(ANNA, 6000));
    assert!(!bed.remote(Side::Client).unwrap().symmetric);
    assert!(bed.remote(Side::Agent).unwrap().symmetric);
}
