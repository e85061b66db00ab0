//! Several phones behind one offer: who is heard before the answer, and who after. B6 B7.
use crate::support::*;
use patchbay_relay::engine::Side;
use patchbay_sip::Message;

const FIRST: &str = "203.0.113.71:6000";
const SECOND: &str = "203.0.113.72:7000";

fn heard(bed: &Bed) -> Option<String> {
    bed.remote(Side::Agent).map(|remote| remote.rtp.to_string())
}

/// A phone of the fork rings with early media.
fn early(bed: &mut Bed, offer: &Message, tag: &str, media: &str) -> Message {
    let (ip, port) = media.split_once(':').unwrap();
    let progress = with_sdp(answer(offer, 183, tag), ip, port.parse().unwrap());
    bed.receive_message(udp(AGENT), &progress);
    pass_upstream(bed, "183");
    bed.expect(CALLER, "183")
}

#[test]
fn the_caller_hears_the_fork_that_offered_early_media_last() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let first = early(&mut bed, &offer, "first", FIRST);
    assert_eq!(heard(&bed).as_deref(), Some(FIRST));
    let second = early(&mut bed, &offer, "second", SECOND);
    assert_eq!(heard(&bed).as_deref(), Some(SECOND));
    for progress in [&first, &second] {
        assert_hides(progress, &["203.0.113."]);
    }
    // Toward the caller nothing moves: one pair serves all of them.
    assert_eq!(bed.media.lock().unwrap().open.len(), 1);
}

#[test]
fn the_phone_that_answers_has_the_call() {
    for (tag, media) in [("first", FIRST), ("second", SECOND)] {
        let mut bed = Bed::new();
        let offer = offer(&mut bed);
        early(&mut bed, &offer, "first", FIRST);
        early(&mut bed, &offer, "second", SECOND);
        let (ip, port) = media.split_once(':').unwrap();
        let ok = with_sdp(answer(&offer, 200, tag), ip, port.parse().unwrap());
        bed.receive_message(udp(AGENT), &ok);
        assert_eq!(heard(&bed).as_deref(), Some(media));
        // Another phone that still rings changes nothing, and is sent nothing.
        bed.sent_to(AGENT);
        let late = with_sdp(answer(&offer, 183, "third"), "203.0.113.73", 8000);
        bed.receive_message(udp(AGENT), &late);
        bed.expect_silence(AGENT);
        assert_eq!(heard(&bed).as_deref(), Some(media));
    }
}

#[test]
fn an_answer_without_a_description_means_what_its_phone_said_early() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    early(&mut bed, &offer, "first", FIRST);
    early(&mut bed, &offer, "second", SECOND);
    bed.receive_message(udp(AGENT), &answer(&offer, 200, "first"));
    assert_eq!(heard(&bed).as_deref(), Some(FIRST));
}

#[test]
fn more_forks_than_are_kept_still_count_when_they_answer() {
    let mut bed = Bed::new();
    let offer = offer(&mut bed);
    let forks = patchbay_relay::session::MAX_FORKS + 2;
    for n in 0..forks {
        let media = format!("203.0.113.80:{}", 6000 + 2 * n);
        early(&mut bed, &offer, &format!("fork{n}"), &media);
        assert_eq!(heard(&bed), Some(media));
    }
    let ok = with_sdp(answer(&offer, 200, "fork1"), "203.0.113.80", 6002);
    bed.receive_message(udp(AGENT), &ok);
    assert_eq!(heard(&bed).as_deref(), Some("203.0.113.80:6002"));
}
