//! Phones that vanish without a BYE: the row goes all the same, and the agent is free. B7.
use crate::support::*;
use patchbay_route::session::{EndCause, EndedBy, SessionEvent};
use std::time::Duration;

fn end_of(bed: &Bed) -> Option<(EndedBy, EndCause)> {
    bed.events.iter().find_map(|event| match event {
        SessionEvent::Ended(ended) => Some((ended.by, ended.cause)),
        _ => None,
    })
}

#[test]
fn a_silent_call_is_ended_on_both_sides() {
    let mut bed = Bed::new();
    establish(&mut bed);
    bed.pass(Duration::from_secs(290));
    assert_eq!(end_of(&bed), None);
    bed.pass(Duration::from_secs(30));
    assert_eq!(end_of(&bed), Some((EndedBy::Relay, EndCause::MediaTimeout)));
    bed.expect(CALLER, "BYE");
    bed.expect(AGENT, "BYE");
}

#[test]
fn a_call_with_packets_goes_on() {
    let mut bed = Bed::new();
    establish(&mut bed);
    bed.media.lock().unwrap().last_packet_age = Some(Duration::from_millis(20));
    bed.pass(Duration::from_secs(4000));
    assert_eq!(end_of(&bed), None);
}

#[test]
fn a_call_on_hold_may_be_silent_for_longer() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let mut hold = with_sdp(in_dialog("INVITE", &call.ok, 2, CALLER), "192.0.2.9", 4000);
    let body = format!("{}a=sendonly\r\n", sdp("192.0.2.9", 4000));
    hold.set_body("application/sdp", body.into_bytes());
    bed.receive_message(udp(CALLER), &hold);
    let offered = bed.expect(AGENT, "INVITE");
    let mut ok = answer(&offered, 200, "anna");
    let body = format!("{}a=recvonly\r\n", sdp("203.0.113.7", 6000));
    ok.set_body("application/sdp", body.into_bytes());
    bed.receive_message(udp(AGENT), &ok);
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &call.ok, 2, CALLER));
    bed.pass(Duration::from_secs(3000));
    assert_eq!(end_of(&bed), None);
    bed.pass(Duration::from_secs(700));
    assert_eq!(end_of(&bed), Some((EndedBy::Relay, EndCause::MediaTimeout)));
}
