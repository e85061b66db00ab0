//! What the low-pass lets through, and what it keeps out, at the rates of recordings.

use super::*;
use crate::audio::read_wav;

/// Half a second of a tone at some rate, as it is heard at 8 kHz.
fn resampled(hertz: f64, rate: u32) -> Vec<f64> {
    let data = as_pcm16(&tone(hertz, rate, 0.5));
    heard(&read_wav(&wav(1, 1, rate, 16, &data)).unwrap())
}

/// The level of each tone before: half of full scale.
const SENT: f64 = -6.02;

#[test]
fn a_tone_in_the_band_passes() {
    for rate in [
        7_350, 11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 44_101,
        191_999,
    ] {
        let heard = resampled(1_000.0, rate);
        assert_eq!(heard.len(), 4_000, "half a second of {rate} Hz");
        let heard = middle(&heard);
        let passed = level_at(heard, 1_000.0);
        assert!((passed - SENT).abs() < 0.5, "{rate} Hz: {passed} dB");
        // What is there beside the tone: no more than the noise of mu-law.
        let noise = 10.0 * (10f64.powf(level(heard) / 10.0) - 10f64.powf(passed / 10.0)).log10();
        assert!(passed - noise > 33.0, "{rate} Hz: noise of {noise} dB");
    }
}

#[test]
fn the_band_is_even_up_to_its_edge() {
    for hertz in [100.0, 300.0, 2_000.0, 3_000.0, 3_200.0] {
        let passed = level_at(middle(&resampled(hertz, 48_000)), hertz);
        assert!((passed - SENT).abs() < 0.5, "{hertz} Hz: {passed} dB");
    }
    let cut = level_at(middle(&resampled(3_600.0, 48_000)), 3_600.0);
    assert!((cut - SENT + 6.0).abs() < 0.5, "{cut} dB where it cuts");
}

#[test]
fn what_a_telephone_cannot_carry_does_not_fold_back() {
    for (hertz, rate) in [
        (6_000.0, 48_000),
        (6_000.0, 44_100),
        (6_000.0, 16_000),
        (4_100.0, 48_000),
        (7_000.0, 44_100),
        (9_000.0, 22_050),
        (15_000.0, 48_000),
        (20_000.0, 192_000),
    ] {
        let left = level(middle(&resampled(hertz, rate)));
        assert!(SENT - left > 40.0, "{hertz} of {rate} Hz: {left} dB");
    }
}

#[test]
fn a_slow_recording_gets_no_tones_of_its_own() {
    // Not 1,000 Hz: what mu-law adds to a tone of few different samples would stand at its image.
    let heard = resampled(1_010.0, 4_000);
    let heard = middle(&heard);
    assert!((level_at(heard, 1_010.0) - SENT).abs() < 0.5);
    let image = level_at(heard, 2_990.0);
    assert!(SENT - image > 40.0, "{image} dB");
}

#[test]
fn a_click_stays_where_it_was() {
    for rate in [4_000, 16_000, 44_100, 48_000] {
        let mut samples = vec![0.0; rate as usize];
        samples[rate as usize / 2] = 0.9;
        let clip = read_wav(&wav(1, 1, rate, 16, &as_pcm16(&samples))).unwrap();
        let heard = heard(&clip);
        assert_eq!(heard.len(), 8_000);
        let loud = |at: usize| heard[at].abs();
        let loudest = (0..8_000).max_by(|&a, &b| loud(a).total_cmp(&loud(b)));
        assert_eq!(loudest, Some(4_000), "{rate} Hz");
        // It is as wide before as after, so not off by a part of a sample either.
        let (before, after) = (heard[3_999], heard[4_001]);
        let off = (before - after).abs();
        assert!(off < 0.05 * loud(4_000), "{rate} Hz: {before} and {after}");
    }
}
