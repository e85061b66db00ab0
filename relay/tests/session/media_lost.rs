//! A packet thread died: the calls whose media it carried are ended on both sides and say why;
//! the others go on. F1.
use crate::support::*;
use patchbay_relay::engine::PairId;
use patchbay_route::session::{EndCause, Ended, EndedBy, SessionEvent};
use patchbay_sip::{HeaderName, Message};

fn ends(bed: &Bed) -> Vec<&Ended> {
    fn ended(event: &SessionEvent) -> Option<&Ended> {
        match event {
            SessionEvent::Ended(ended) => Some(ended),
            _ => None,
        }
    }
    bed.events.iter().filter_map(ended).collect()
}

fn lose(bed: &mut Bed, pairs: &[PairId]) {
    let now = bed.now();
    bed.core.media_lost(pairs, now);
    bed.collect();
}

fn pairs(bed: &Bed) -> Vec<PairId> {
    bed.media.lock().unwrap().open.keys().copied().collect()
}

fn reason(message: &Message) -> String {
    let reason = message.headers.get(HeaderName::Reason);
    reason.expect("a Reason").to_string()
}

#[test]
fn a_call_without_its_pair_is_ended_on_both_sides_with_the_reason() {
    let mut bed = Bed::new();
    establish(&mut bed);
    let lost = pairs(&bed);
    assert_eq!(lost.len(), 1);
    lose(&mut bed, &lost);
    for party in [CALLER, AGENT] {
        let bye = bed.expect(party, "BYE");
        // RFC 3326: the protocol's own code, and what a switch would say.
        assert_eq!(
            reason(&bye),
            "SIP;cause=503;text=\"Media Relay Failed\", Q.850;cause=41"
        );
    }
    let ends = ends(&bed);
    assert_eq!(ends.len(), 1);
    assert_eq!(
        (ends[0].by, ends[0].cause, ends[0].answered),
        (EndedBy::Relay, EndCause::MediaLost, true)
    );
    assert!(pairs(&bed).is_empty());
    lose(&mut bed, &lost);
    bed.expect_silence(CALLER);
}

#[test]
fn a_call_with_another_pair_goes_on() {
    let mut bed = Bed::new();
    establish(&mut bed);
    lose(&mut bed, &[PairId::new(1, 0, 0), PairId::new(0, 9, 1)]);
    assert!(ends(&bed).is_empty());
    assert_eq!(bed.core.live_sessions(), 1);
    bed.expect_silence(CALLER);
    bed.expect_silence(AGENT);
}

#[test]
fn a_call_that_still_rings_is_given_back_to_control() {
    let mut bed = Bed::new();
    let offered = offer(&mut bed);
    bed.receive_message(udp(AGENT), &answer(&offered, 180, "anna"));
    let lost = pairs(&bed);
    lose(&mut bed, &lost);
    bed.expect(AGENT, "CANCEL");
    let failed = bed.expect("10.0.0.2:5070", "500");
    assert!(reason(&failed).contains("Media Relay Failed"));
    assert_eq!(ends(&bed)[0].cause, EndCause::MediaLost);
    assert!(!ends(&bed)[0].answered);
    assert!(pairs(&bed).is_empty());
}
