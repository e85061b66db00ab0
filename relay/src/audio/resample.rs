//! From any rate to 8 kHz, by a windowed-sinc low-pass (J. O. Smith, "Digital Audio Resampling", 2002), so
//! that what lies above a telephone's band does not fold back into it.

use std::f64::consts::PI;

use super::SAMPLE_RATE;

/// Where the low-pass has fallen by 6 dB, in Hz.
const CUT_HZ: f64 = 3_600.0;
/// The same for inputs that have less than a telephone's band, as a part of their rate.
const CUT_OF_RATE: f64 = 0.45;
/// How far the low-pass is down where it would fold back, in dB.
const STOP_DB: f64 = 70.0;
/// Places a second for which taps are kept: all that the usual rates need. Of other rates the nearest place
/// serves, which errs by 0.12 us and so by less than mu-law does.
const PLACES_HZ: u32 = 4_096_000;
/// Sums that run beside each other, so that a processor need not wait for one to end.
const LANES: usize = 8;

/// How many samples `frames` frames at `rate` Hz become.
pub(super) fn resampled(frames: usize, rate: u32) -> usize {
    let samples = (frames as u64 * u64::from(SAMPLE_RATE)).div_ceil(u64::from(rate));
    usize::try_from(samples).unwrap_or(usize::MAX)
}

/// Gives `put` each sample at 8 kHz of what `frames` are at `rate` Hz. Holds a few milliseconds at a time.
pub(super) fn resample(
    rate: u32,
    frames: impl ExactSizeIterator<Item = f32>,
    mut put: impl FnMut(f32),
) {
    if rate == SAMPLE_RATE {
        return frames.for_each(put);
    }
    let filter = Filter::new(rate);
    let samples = resampled(frames.len(), rate) as u64;
    // Silence stands before the first frame and after the last.
    let silence = std::iter::repeat(0.0);
    let mut frames = silence
        .clone()
        .take(filter.half - 1)
        .chain(frames)
        .chain(silence);
    let mut window: Vec<f32> = frames.by_ref().take(2 * filter.half).collect();
    let mut at = 0;
    for sample in 0..samples {
        let position = sample * u64::from(rate);
        let next = position / u64::from(SAMPLE_RATE);
        let passed = usize::try_from(next - at).unwrap_or(0).min(window.len());
        at = next;
        window.copy_within(passed.., 0);
        let kept = window.len() - passed;
        for (place, frame) in window.iter_mut().skip(kept).zip(&mut frames) {
            *place = frame;
        }
        put(filter.apply(&window, (position % u64::from(SAMPLE_RATE)) as u32));
    }
}

/// The taps of the low-pass, for each place of an output sample between two input samples.
struct Filter {
    /// Input samples on either side of an output sample.
    half: usize,
    phases: u32,
    /// Of phase 0, then of phase 1, to `phases`, which is the next input sample.
    taps: Vec<f32>,
}

impl Filter {
    fn new(rate: u32) -> Self {
        let rate_hz = f64::from(rate);
        let cut = CUT_HZ.min(rate_hz * CUT_OF_RATE);
        let band = f64::from(SAMPLE_RATE.min(rate)) / 2.0;
        // Kaiser's estimate of the length that a transition band needs.
        let seconds = (STOP_DB - 7.95) / (14.36 * 2.0 * (band - cut));
        let half = ((seconds * rate_hz / 2.0).ceil() as usize).next_multiple_of(LANES / 2);
        let phases = (SAMPLE_RATE / common_divisor(rate, SAMPLE_RATE)).min(PLACES_HZ / rate);
        let mut taps = Vec::with_capacity((phases as usize + 1) * 2 * half);
        for phase in 0..=phases {
            let part = f64::from(phase) / f64::from(phases);
            let row = row(half, part, 2.0 * cut / rate_hz);
            // All phases let the same level pass, else a tone of the phases' rate would be added.
            let sum: f64 = row.iter().sum();
            taps.extend(row.iter().map(|tap| (tap / sum) as f32));
        }
        Self { half, phases, taps }
    }

    /// The sample at `part` of [`SAMPLE_RATE`] between the two samples in the window's middle.
    fn apply(&self, window: &[f32], part: u32) -> f32 {
        let phase = (part * self.phases + SAMPLE_RATE / 2) / SAMPLE_RATE;
        let row = self.taps.chunks_exact(2 * self.half).nth(phase as usize);
        let mut sums = [0.0; LANES];
        let taps = row.into_iter().flat_map(|row| row.chunks_exact(LANES));
        for (taps, samples) in taps.zip(window.chunks_exact(LANES)) {
            for ((sum, tap), sample) in sums.iter_mut().zip(taps).zip(samples) {
                *sum += tap * sample;
            }
        }
        sums.iter().sum()
    }
}

/// The taps for a sample at `part` (0 to 1) between two input samples; `cut` is in half-rates of the input.
fn row(half: usize, part: f64, cut: f64) -> Vec<f64> {
    let beta = 0.1102 * (STOP_DB - 8.7);
    let before = half as f64 - 1.0 + part;
    let tap = |index: usize| {
        let distance = index as f64 - before;
        let edge = distance / half as f64;
        sinc(cut * distance) * bessel(beta * (1.0 - edge * edge).max(0.0).sqrt())
    };
    (0..2 * half).map(tap).collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The modified Bessel function of order zero, of which Kaiser's window is made.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for step in 1..=32 {
        let factor = x / 2.0 / f64::from(step);
        term *= factor * factor;
        sum += term;
    }
    sum
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
