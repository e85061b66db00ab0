//! Music on hold, a chime and a pause, made of notes when they are first asked for: no recording is shipped,
//! and nobody's rights are touched.

use std::f64::consts::TAU;
use std::sync::OnceLock;

use super::{Clip, SAMPLE_RATE};

/// Partials above this are left out, so that nothing is made that a telephone does not carry, in Hz.
const HIGHEST_HZ: f64 = 3_200.0;
/// Loudness of the music: speech is louder. -20 dB of full scale, as root of the mean square.
const MUSIC_RMS: f64 = 3_277.0;
/// Loudness of the chime: -22 dB of full scale, most of it at its beginning.
const CHIME_RMS: f64 = 2_600.0;
/// Samples of an eighth: 73 beats a minute.
const EIGHTH: usize = 3_300;
const BAR: usize = 8 * EIGHTH;
/// Samples of the pause between two sentences: 300 ms.
const PAUSE: usize = 2_400;

/// How a voice sounds.
struct Voice {
    /// Loudness of each partial, from the fundamental on.
    partials: &'static [f64],
    /// Samples until it is at its loudest.
    attack: usize,
    /// Samples in which it falls to a third, while it is held.
    decay: f64,
    /// Samples in which it fades at its end.
    release: usize,
}

const PAD: Voice = Voice {
    partials: &[1.0, 0.35, 0.18, 0.07, 0.03],
    attack: 4_000,
    decay: 40_000.0,
    release: 6_000,
};
const BASS: Voice = Voice {
    partials: &[1.0, 0.6, 0.35, 0.15],
    attack: 240,
    decay: 14_000.0,
    release: 2_000,
};
const BELL: Voice = Voice {
    partials: &[1.0, 0.25, 0.12, 0.04],
    attack: 60,
    decay: 4_000.0,
    release: 3_000,
};

/// A bar: keys as MIDI numbers them (69 is 440 Hz).
struct Bar {
    bass: u8,
    chord: [u8; 3],
    /// One note a beat.
    melody: [u8; 4],
}

const BARS: [Bar; 8] = [
    bar(48, [64, 67, 71], [76, 79, 74, 71]),
    bar(57, [64, 67, 72], [72, 76, 79, 76]),
    bar(53, [64, 69, 72], [81, 79, 76, 72]),
    bar(55, [62, 67, 71], [71, 74, 79, 74]),
    bar(52, [62, 67, 71], [71, 76, 79, 74]),
    bar(57, [60, 64, 67], [72, 76, 81, 79]),
    bar(50, [60, 65, 69], [77, 81, 77, 74]),
    bar(55, [60, 65, 69], [72, 74, 77, 74]),
];

const fn bar(bass: u8, chord: [u8; 3], melody: [u8; 4]) -> Bar {
    Bar {
        bass,
        chord,
        melody,
    }
}

/// Music of 26.4 s that goes on from its end to its beginning.
pub(super) fn music() -> Clip {
    static MUSIC: OnceLock<Clip> = OnceLock::new();
    MUSIC.get_or_init(|| Clip::from_pcm(&music_pcm())).clone()
}

/// Two bells, the second lower: an announcement follows.
pub(super) fn chime() -> Clip {
    Clip::from_pcm(&chime_pcm())
}

/// Silence between two sentences.
pub(super) fn pause() -> Clip {
    Clip::from_pcm(&[0; PAUSE])
}

pub(super) fn music_pcm() -> Vec<i16> {
    let mut tape = Tape::new(BARS.len() * BAR);
    for (index, bar) in BARS.iter().enumerate() {
        let start = index * BAR;
        tape.add(&BASS, bar.bass, 0.5, start, 5 * EIGHTH);
        tape.add(&BASS, bar.bass, 0.35, start + 5 * EIGHTH, 3 * EIGHTH);
        for key in bar.chord {
            tape.add(&PAD, key, 0.3, start, BAR);
        }
        for (beat, key) in bar.melody.into_iter().enumerate() {
            tape.add(&BELL, key, 0.45, start + 2 * beat * EIGHTH, 3 * EIGHTH);
        }
        // Between the beats the chord is broken, more softly.
        for (beat, key) in bar.chord.into_iter().chain([bar.chord[1]]).enumerate() {
            let at = start + (2 * beat + 1) * EIGHTH;
            tape.add(&BELL, key, 0.25, at, 2 * EIGHTH);
        }
    }
    tape.at_level(MUSIC_RMS)
}

pub(super) fn chime_pcm() -> Vec<i16> {
    let mut tape = Tape::new(10_000);
    tape.add(&BELL, 79, 1.0, 0, 6_000);
    tape.add(&BELL, 76, 1.0, 3_000, 4_000);
    tape.at_level(CHIME_RMS)
}

/// Sound in the making. What goes beyond its end sounds at its beginning, so that it is a loop without a seam.
struct Tape {
    samples: Vec<f64>,
}

impl Tape {
    fn new(length: usize) -> Self {
        Self {
            samples: vec![0.0; length],
        }
    }

    /// Adds a note at sample `start` that is held for `held` samples and then fades.
    fn add(&mut self, voice: &Voice, key: u8, loudness: f64, start: usize, held: usize) {
        let envelope = voice.envelope(loudness, held);
        let pitch = 440.0 * ((f64::from(key) - 69.0) / 12.0).exp2();
        for (number, level) in (1..).zip(voice.partials) {
            let hertz = pitch * f64::from(number);
            if hertz > HIGHEST_HZ {
                break;
            }
            // A sine by its recurrence: a multiplication a sample.
            let step = TAU * hertz / f64::from(SAMPLE_RATE);
            let factor = 2.0 * step.cos();
            let (mut before, mut now) = (-step.sin(), 0.0);
            let from = start % self.samples.len();
            let (beginning, end) = self.samples.split_at_mut(from);
            for (sample, loud) in end.iter_mut().chain(beginning).zip(&envelope) {
                *sample += level * loud * now;
                (before, now) = (now, factor * now - before);
            }
        }
    }

    /// As linear samples of a mean loudness.
    fn at_level(self, rms: f64) -> Vec<i16> {
        let squares: f64 = self.samples.iter().map(|sample| sample * sample).sum();
        let gain = rms / (squares / self.samples.len() as f64).sqrt();
        let scaled = self.samples.iter().map(|sample| sample * gain);
        scaled.map(|sample| sample.round() as i16).collect()
    }
}

impl Voice {
    /// Loudness sample by sample, with the fading.
    fn envelope(&self, loudness: f64, held: usize) -> Vec<f64> {
        let fall = (-1.0 / self.decay).exp();
        let mut level = loudness;
        let length = held + self.release;
        let at = |sample: usize| {
            level *= fall;
            let rise = smooth(sample as f64 / self.attack as f64);
            let fade = smooth((length - sample) as f64 / self.release as f64);
            level * rise * fade
        };
        (0..length).map(at).collect()
    }
}

/// From 0 to 1 without a corner at either end.
fn smooth(part: f64) -> f64 {
    let part = part.clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}
