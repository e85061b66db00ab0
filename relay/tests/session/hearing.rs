//! Callers who wait: the relay plays to them in early media, and hears their keys. D14.
use crate::support::*;
use patchbay_relay::engine::Side;
use patchbay_relay::player::{Law, Listener, Order};
use patchbay_relay::session::MAX_KEYS;
use patchbay_route::session::SessionEvent;
use patchbay_route::transfer::{Hears, SAY_TYPE, TransferTarget, WAITING_URI};
use patchbay_route::waiting::{Part, Pressed, Say};
use patchbay_sip::{HeaderName, Message, Method};
use std::time::Duration;

const CONTROL_SIP: &str = "10.0.0.2:5070";
const EVENTS: &str = "a=rtpmap:101 telephone-event/8000\r\n";

/// What control asks for when a caller shall hear something.
fn waiting(forwarded: &Message, bed: &Bed) -> Message {
    let target = TransferTarget {
        agent_uri: WAITING_URI.into(),
        contact: "c1".into(),
        offer: "waiting".into(),
        hears: Some(Hears {
            music: "soft".into(),
            language: "de".into(),
            answered: false,
        }),
        ..TransferTarget::default()
    };
    transfer_for(forwarded, &target, bed.now())
}

/// The INVITE of a phone that knows telephone events.
fn invite_with_events() -> Message {
    let body = sdp("192.0.2.9", 4000).replace("RTP/AVP 0", "RTP/AVP 0 101") + EVENTS;
    let mut invite = invite();
    invite.set_body("application/sdp", body.into_bytes());
    invite
}

/// A caller who hears something, with the 183 that it has.
fn hear(bed: &mut Bed) -> (Message, Message) {
    bed.receive_message(udp(CALLER), &invite_with_events());
    let forwarded = bed.expect(CONTROL_SIP, "INVITE");
    bed.receive_message(control(), &waiting(&forwarded, bed));
    pass_upstream(bed, "183");
    let progress = bed.expect(CALLER, "183");
    (forwarded, progress)
}

/// Control repeats a provisional answer every minute, lest the edge gives the INVITE up.
fn minutes_later(bed: &mut Bed, forwarded: &Message) {
    for _ in 0..5 {
        bed.pass(Duration::from_secs(60));
        bed.receive_message(control(), &answer(forwarded, 183, "again"));
        bed.expect(CALLER, "183");
    }
}

fn listener(bed: &mut Bed) -> Listener {
    match bed.played.pop() {
        Some(Order::Start(listener)) => *listener,
        other => panic!("{other:?}"),
    }
}

/// A request of control in the early dialog, which its own INVITE has made.
fn info_of_control(progress: &Message, body: &[u8], kind: &str) -> Message {
    let mut info = in_dialog("INFO", progress, 2, CONTROL_SIP);
    info.set_body(kind, body.to_vec());
    info
}

#[test]
fn a_waiting_caller_hears_the_relay_in_early_media() {
    let mut bed = Bed::new();
    let (forwarded, progress) = hear(&mut bed);
    let body = std::str::from_utf8(&progress.body).unwrap();
    assert!(body.contains("m=audio 20004 RTP/AVP 0 101\r\n"), "{body}");
    assert!(body.contains(&format!("c=IN IP4 {RELAY}\r\n")), "{body}");
    let heard = listener(&mut bed);
    assert_eq!(heard.to.to_string(), format!("{RELAY}:20006"));
    assert_eq!(
        (heard.law, heard.payload, heard.events),
        (Law::Mu, 0, Some(101))
    );
    assert_eq!(
        (heard.music.as_str(), heard.language.as_str()),
        ("soft", "de")
    );
    // The player is the agent's side, and the caller is heard where it said.
    let at = |side| bed.remote(side).unwrap().rtp.to_string();
    assert_eq!(at(Side::Agent), format!("{RELAY}:{PLAYER_PORT}"));
    assert_eq!(at(Side::Client), "192.0.2.9:4000");
    bed.expect_silence(AGENT);
    assert!(bed.events.is_empty(), "control knows by itself");
    // However long it takes.
    minutes_later(&mut bed, &forwarded);
    bed.expect_silence(CONTROL_SIP);
    assert_eq!(bed.core.live_sessions(), 1);
}

#[test]
fn the_agent_that_answers_is_another_fork_and_the_music_ends() {
    let mut bed = Bed::new();
    let (forwarded, progress) = hear(&mut bed);
    let now = bed.now();
    let waits = waiting(&forwarded, &bed);
    bed.receive_message(control(), &transfer(&forwarded, "o1", now));
    let offer = bed.expect(AGENT, "INVITE");
    let ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    bed.receive_message(udp(AGENT), &ok);
    pass_upstream(&mut bed, "200");
    let ok = bed.expect(CALLER, "200");
    assert_ne!(ok.to_tag(), progress.to_tag());
    let mut cancel = Message::request(Method::Cancel, waits.uri().unwrap());
    for name in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        let value = waits.headers.get(name.clone()).unwrap();
        cancel.headers.push(name, value);
    }
    cancel.headers.push(HeaderName::CSeq, "1 CANCEL");
    let session = listener(&mut bed).session;
    bed.receive_message(control(), &cancel);
    bed.expect(CONTROL_SIP, "487");
    assert_eq!(bed.played, [Order::Stop(session)]);
    assert_eq!(bed.core.live_sessions(), 1);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    bed.expect_silence(CALLER);
}

#[test]
fn control_has_something_said_and_nobody_else_can() {
    let mut bed = Bed::new();
    let (_, progress) = hear(&mut bed);
    let session = listener(&mut bed).session;
    let say = Say {
        parts: vec![Part::Position(2), Part::ExpectedWait(90)],
        ..Say::default()
    };
    let body = serde_json::to_vec(&say).unwrap();
    let info = info_of_control(&progress, &body, SAY_TYPE);
    bed.receive_message(udp(CALLER), &{
        let mut theirs = in_dialog("INFO", &progress, 2, CALLER);
        theirs.set_body(SAY_TYPE, body.clone());
        theirs
    });
    bed.expect(CALLER, "415");
    assert!(bed.played.is_empty());
    bed.receive_message(control(), &info);
    bed.expect(CONTROL_SIP, "200");
    assert_eq!(bed.played, [Order::Say(session, say)]);
    let mut nonsense = info_of_control(&progress, b"[", SAY_TYPE);
    nonsense.headers.set(
        HeaderName::Via,
        "SIP/2.0/TCP 10.0.0.2:5070;branch=z9hG4bKother",
    );
    bed.receive_message(control(), &nonsense);
    bed.expect(CONTROL_SIP, "400");
}

#[test]
fn keys_are_told_however_they_are_sent() {
    let mut bed = Bed::new();
    let (_, progress) = hear(&mut bed);
    let session = listener(&mut bed).session;
    let now = bed.now();
    bed.core.pressed(session, '1', now);
    bed.collect();
    for (cseq, kind, body) in [
        (2, "application/dtmf-relay", "Signal=#\r\nDuration=100\r\n"),
        (3, "application/dtmf", "5"),
    ] {
        let mut info = in_dialog("INFO", &progress, cseq, CALLER);
        info.set_body(kind, body.as_bytes().to_vec());
        bed.receive_message(udp(CALLER), &info);
        bed.expect(CALLER, "200");
    }
    let pressed = |key| {
        let contact = "c1".to_owned();
        SessionEvent::Pressed(Pressed { contact, key })
    };
    assert_eq!(bed.events, ['1', '#', '5'].map(pressed));
    for _ in 0..usize::from(MAX_KEYS) + 10 {
        bed.core.pressed(session, '0', now);
    }
    bed.collect();
    assert_eq!(bed.events.len(), usize::from(MAX_KEYS));
}

#[test]
fn a_caller_who_hangs_up_early_is_gone() {
    let mut bed = Bed::new();
    let (_, progress) = hear(&mut bed);
    let session = listener(&mut bed).session;
    bed.receive_message(udp(CALLER), &in_dialog("UPDATE", &progress, 2, CALLER));
    assert!(
        bed.expect(CALLER, "405")
            .headers
            .contains(HeaderName::Allow)
    );
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &progress, 3, CALLER));
    bed.expect(CALLER, "200");
    bed.expect(CONTROL_SIP, "487");
    assert_eq!(bed.played, [Order::Stop(session)]);
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn without_a_control_node_nobody_waits() {
    let mut bed = Bed::new();
    hear(&mut bed);
    let session = listener(&mut bed).session;
    let now = bed.now();
    bed.core
        .closed(CONTROL, patchbay_relay::net::Ending::Gone, now);
    bed.collect();
    assert_eq!(bed.played, [Order::Stop(session)]);
    assert_eq!(bed.core.live_sessions(), 0);
}

#[test]
fn who_cannot_hear_it_is_said_so_and_loses_nothing() {
    for (lines, port) in [("RTP/AVP 18", PLAYER_PORT), ("RTP/AVP 0", 0)] {
        let mut bed = Bed::with(|config| {
            config.player_port = Some(port).filter(|port| *port > 0);
        });
        let body = sdp("192.0.2.9", 4000).replace("RTP/AVP 0", lines);
        let mut invite = invite();
        invite.set_body("application/sdp", body.into_bytes());
        bed.receive_message(udp(CALLER), &invite);
        let forwarded = bed.expect(CONTROL_SIP, "INVITE");
        bed.receive_message(control(), &waiting(&forwarded, &bed));
        let refused = if port == 0 { "501" } else { "488" };
        bed.expect(CONTROL_SIP, refused);
        assert!(bed.played.is_empty());
        assert_eq!(bed.core.live_sessions(), 0);
        assert!(bed.media.lock().unwrap().open.is_empty());
    }
}
