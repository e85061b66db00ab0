//! F1: RTCP multiplexed on the RTP port (RFC 5761) on one side and not on the other.
#![allow(clippy::unwrap_used)]

use crate::engine_support::*;
use patchbay_relay::engine::{PairSpec, Side};

#[test]
fn each_side_gets_reports_where_it_expects_them() {
    if !alone() {
        return;
    }
    let engine = engine(16_200, 16_299);
    let (browser, phone) = (Phone::new(V4), Phone::new(V4));
    let pair = engine.open(PairSpec::new(HERE_V4, HERE_V4)).unwrap();
    let mut one_port = browser.remote();
    one_port.rtcp = one_port.rtp;
    engine.set_remote(pair.id, Side::Client, one_port).unwrap();
    engine
        .set_remote(pair.id, Side::Agent, phone.remote())
        .unwrap();
    let [at_browser, at_phone] = pair.local;
    let report = [0x80, 200, 0, 1, 9, 9, 9, 9];
    let media = [0x80, 0, 0, 1, 9, 9, 9, 9];
    for _ in 0..2 {
        assert_passes(
            &browser.rtp,
            at_browser.rtp,
            &phone.rtcp,
            at_phone.rtcp,
            &report,
        );
        assert_passes(
            &browser.rtp,
            at_browser.rtp,
            &phone.rtp,
            at_phone.rtp,
            &media,
        );
        assert_passes(
            &phone.rtcp,
            at_phone.rtcp,
            &browser.rtp,
            at_browser.rtp,
            &report,
        );
        assert_passes(
            &phone.rtp,
            at_phone.rtp,
            &browser.rtp,
            at_browser.rtp,
            &media,
        );
    }
    assert_silent(&phone.rtp);
}
