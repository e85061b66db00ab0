//! Keys pressed in a call: telephone events (RFC 4733) are agreed on through the relay and arrive
//! as they were sent; STUN and DTLS, on which nobody agreed, do not.

use crate::support;

use std::time::Duration;

use support::stage::Call;
use support::{Media, SOON, STRANGER, Sipp, Stage, until};

const EVENTS: &str = "\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16";

/// A call whose phones have telephone events.
fn call(stage: &Stage) -> Call<'_> {
    let with_events = |phone: Sipp| {
        phone
            .word("formats", " 101")
            .word("lines", EVENTS)
            .hold(Duration::from_secs(3))
    };
    stage.call(
        with_events(stage.agent("agent.xml")),
        with_events(stage.caller("caller.xml")),
    )
}

fn wait_for(at: &Media, wanted: &[Vec<u8>]) {
    until("all events", SOON, || {
        let got: Vec<_> = at
            .arrived()
            .into_iter()
            .map(|packet| packet.bytes)
            .collect();
        (got == wanted).then_some(())
    });
}

// B7 A6
#[test]
fn keys_arrive_as_they_were_pressed() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let call = call(&stage);
    let (answer, offer) = (call.caller.answered(), call.offer());
    for (sip, formats) in [(&offer, "0 8 101"), (&answer, "0 101")] {
        let line = format!(" RTP/AVP {formats}\r\n");
        assert!(sip.body().contains(&line), "{}", sip.0);
        assert!(sip.body().contains("a=rtpmap:101 telephone-event/8000\r\n"));
        assert!(sip.body().contains("a=fmtp:101 0-16\r\n"));
    }
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    let (mut at_anna, mut at_carla) = (Vec::new(), Vec::new());
    for event in 0..16 {
        let sequence = u16::from(event) * 5;
        at_anna.extend(carla.press(to_anna, event, sequence));
        wait_for(anna, &at_anna);
        at_carla.extend(anna.press(to_carla, event, sequence));
        wait_for(carla, &at_carla);
    }
    call.ends();
}

// G6 B7
#[test]
fn stun_and_dtls_to_a_plain_call_are_counted_and_neither_answered_nor_passed_on() {
    let Some(stage) = Stage::set() else {
        return;
    };
    let (carla, anna) = (&stage.carla, &stage.anna);
    let stranger = Media::open(STRANGER, &stage.centre.ports);
    let call = call(&stage);
    let to_anna = call.to_anna();
    let mut binding_request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    binding_request.extend([7; 12]);
    let mut hello = vec![22, 0xfe, 0xfd];
    hello.extend([0; 40]);
    for media in [&stranger, carla] {
        media.send(to_anna, &binding_request);
        media.send(to_anna, &hello);
    }
    let drops = |reason: &str| {
        let name = format!("patchbay_relay_packet_drops_total{{reason=\"{reason}\"}}");
        stage.centre.relay_api.metric(&name)
    };
    until("all four are counted", SOON, || {
        let both = (drops("stun_on_plain"), drops("dtls_on_plain"));
        (both == (2.0, 2.0)).then_some(())
    });
    carla.talk(to_anna, 1, 5);
    anna.wait_intact(carla.ssrc(), 5, SOON);
    assert_eq!(anna.arrived().len(), 5, "the agent gets nothing but audio");
    for media in [&stranger, carla] {
        assert!(media.arrived().is_empty(), "nobody is answered");
    }
    call.ends();
}
