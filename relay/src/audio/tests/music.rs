//! The sounds that are made: loud as they should be, in a telephone's band, and a loop without a click.

use super::*;
use crate::audio::Library;
use crate::audio::music::{chime_pcm, music_pcm};

fn scaled(pcm: &[i16]) -> Vec<f64> {
    pcm.iter().map(|&s| f64::from(s) / 32_768.0).collect()
}

/// The root of the mean square, in dB of full scale.
fn rms(samples: &[f64]) -> f64 {
    level(samples) - 3.01
}

fn peak(samples: &[f64]) -> f64 {
    samples
        .iter()
        .fold(0.0, |most, sample| sample.abs().max(most))
}

#[test]
fn music_has_its_length_and_its_level() {
    let music = scaled(&music_pcm());
    assert!((20 * 8_000..=40 * 8_000).contains(&music.len()));
    assert_eq!(music.len() % 160, 0, "whole packets of 20 ms");
    assert!((rms(&music) + 20.0).abs() < 0.5, "{} dB", rms(&music));
    assert!(peak(&music) < 0.5, "{} of full scale", peak(&music));
    for (index, part) in music.chunks(4_000).enumerate() {
        let level = rms(part);
        assert!(
            (-28.0..-14.0).contains(&level),
            "{level} dB at half second {index}"
        );
    }
}

#[test]
fn music_goes_on_from_its_end_to_its_beginning() {
    let music = scaled(&music_pcm());
    // The last notes ring on under the first ones, which are still rising.
    let (last, first) = (rms(&music[music.len() - 80..]), rms(&music[..10]));
    assert!((last - first).abs() < 12.0, "{last} dB, then {first} dB");
    // No step is there that is not in the music.
    let step = |pair: &[f64]| (pair[0] - pair[1]).abs();
    let seam = step(&[music[music.len() - 1], music[0]]);
    let largest = music.windows(2).map(step).fold(0.0, f64::max);
    assert!(seam < largest, "{seam} at the seam, {largest} elsewhere");
}

#[test]
fn what_is_made_is_in_a_telephones_band() {
    for (name, pcm) in [("music", music_pcm()), ("chime", chime_pcm())] {
        // A second of it in the middle, and all of the chime.
        let samples = scaled(&pcm);
        let from = samples.len() / 2 - samples.len().min(8_000) / 2;
        let part = &samples[from..from + samples.len().min(8_000)];
        let loudest = (20..=320).map(|tens| level_at(part, f64::from(tens * 10)));
        let loudest = loudest.fold(f64::MIN, f64::max);
        for hertz in (3_400..4_000).step_by(10) {
            let left = level_at(part, f64::from(hertz));
            assert!(loudest - left > 60.0, "{name}: {left} dB at {hertz} Hz");
        }
    }
}

#[test]
fn the_chime_is_short_and_ends_in_silence() {
    let chime = scaled(&chime_pcm());
    assert!((0.5..2.0).contains(&(chime.len() as f64 / 8_000.0)));
    assert!((rms(&chime) + 22.0).abs() < 0.5);
    assert!(peak(&chime) < 0.5);
    let tail = &chime[chime.len() - 80..];
    assert!(rms(tail) < -60.0, "{} dB at its end", rms(tail));
    assert_eq!(chime[0], 0.0);
}

#[test]
fn every_prompt_is_about_as_loud_as_the_others() {
    let library = Library::builtin();
    let mut spoken = 0;
    for name in library.names().filter(|name| name.contains('/')) {
        let prompt = heard(&library.get(name).unwrap());
        let level = rms(&prompt);
        assert!((-19.5..=-17.0).contains(&level), "{name}: {level} dB");
        for (end, edge) in [
            ("begins", &prompt[..16]),
            ("ends", &prompt[prompt.len() - 16..]),
        ] {
            assert!(peak(edge) < 0.1, "{name} {end} with a click");
        }
        // Silence at the ends was cut off: within 100 ms there is speech.
        for (end, edge) in [
            ("begins", &prompt[..800]),
            ("ends", &prompt[prompt.len() - 800..]),
        ] {
            assert!(rms(edge) > -45.0, "{name} {end} with silence");
        }
        spoken += 1;
    }
    assert_eq!(spoken, 87);
}
