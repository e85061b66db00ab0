//! A voice made by arithmetic: which samples packet `n` of stream `id` carries can be computed by
//! anyone who knows the two numbers, so a listener can check every byte without being sent it.
//!
//! The signal is speech-like enough for a codec: a buzzing fundamental with one overtone, swelling
//! at the pace of syllables, and over it one short chirp in each packet. Fundamental, pace and
//! chirp come from the stream's identifier and the packet's number, so no two packets of any two
//! streams sound alike, and a packet tells whose it is and where it belongs.

use std::sync::LazyLock;

use super::g711::{FRAME_SAMPLES, Law, SAMPLE_RATE};

/// One packet's worth of encoded audio.
pub type Frame = [u8; FRAME_SAMPLES];

/// Entries of the sine table; a power of two.
const SINE_STEPS: usize = 1024;
/// Bits of a 32-bit phase that are below the table's resolution.
const SINE_SHIFT: u32 = 32 - SINE_STEPS.trailing_zeros();

static SINE: LazyLock<[i16; SINE_STEPS]> = LazyLock::new(|| {
    let mut table = [0_i16; SINE_STEPS];
    for (step, entry) in table.iter_mut().enumerate() {
        let angle = step as f64 * std::f64::consts::TAU / SINE_STEPS as f64;
        *entry = (angle.sin() * 32_767.0).round() as i16;
    }
    table
});

/// Sine of a phase (2^32 is a full turn), scaled to 32767.
fn sine(table: &[i16; SINE_STEPS], phase: u32) -> i32 {
    // The shift leaves ten bits, so the index is always inside the table.
    table
        .get((phase >> SINE_SHIFT) as usize)
        .copied()
        .map_or(0, i32::from)
}

/// Phase step for a frequency given in sixteenths of a hertz.
const fn step_for(sixteenths: u64) -> u32 {
    ((sixteenths << 32) / (SAMPLE_RATE as u64 * 16)) as u32
}

/// Mixes the bits of a number: splitmix64's finaliser.
pub(crate) const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The voice of one direction of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    id: u32,
    law: Law,
    fundamental: u32,
    syllables: u32,
}

impl Voice {
    /// The voice that belongs to a stream identifier (the phones use the RTP SSRC).
    #[must_use]
    pub fn new(id: u32, law: Law) -> Self {
        let bits = mix(u64::from(id));
        // 90 to 250 Hz, in steps of a sixteenth; 3 to 5 syllables a second.
        let fundamental = step_for(90 * 16 + bits % (160 * 16));
        let syllables = step_for(3 * 16 + (bits >> 32) % 32);
        Self {
            id,
            law,
            fundamental,
            syllables,
        }
    }

    /// The law that this voice is encoded with.
    #[must_use]
    pub const fn law(&self) -> Law {
        self.law
    }

    /// Encodes packet `number` (the first one is 0) of this voice.
    #[must_use]
    pub fn frame(&self, number: u32) -> Frame {
        let table: &[i16; SINE_STEPS] = &SINE;
        let first = number.wrapping_mul(FRAME_SAMPLES as u32);
        let mut tone = self.fundamental.wrapping_mul(first);
        let mut swell = self.syllables.wrapping_mul(first);
        let bits = mix((u64::from(self.id) << 32) | u64::from(number));
        // The chirp starts between 500 and 2500 Hz and moves by at most 500 Hz within the packet.
        let mut chirp_step = step_for(500 * 16 + bits % (2000 * 16));
        let bend = step_for((bits >> 32) % (500 * 16)) / FRAME_SAMPLES as u32;
        let mut chirp = (bits >> 16) as u32;
        let mut frame = [0_u8; FRAME_SAMPLES];
        for octet in &mut frame {
            let buzz = sine(table, tone) * 2 + sine(table, tone.wrapping_mul(2));
            let loudness = 40_000 + sine(table, swell);
            let sample = buzz / 12 * (loudness / 256) / 256 + sine(table, chirp) / 6;
            *octet = self.law.encode(sample.clamp(-32_768, 32_767) as i16);
            tone = tone.wrapping_add(self.fundamental);
            swell = swell.wrapping_add(self.syllables);
            chirp = chirp.wrapping_add(chirp_step);
            chirp_step = chirp_step.wrapping_add(bend);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_packet_tells_whose_it_is_and_where_it_belongs() {
        let mut seen = HashSet::new();
        for id in [1_u32, 2, 3, 0x8000_0000, 0xffff_fffe, 0xffff_ffff] {
            for law in [Law::Mu, Law::A] {
                let voice = Voice::new(id, law);
                for number in 0..400 {
                    assert!(seen.insert(voice.frame(number)), "{id} {law:?} {number}");
                }
            }
        }
    }

    #[test]
    fn the_same_packet_is_the_same_every_time() {
        let voice = Voice::new(77, Law::A);
        assert_eq!(voice.frame(65_537), Voice::new(77, Law::A).frame(65_537));
        assert_eq!(voice.frame(u32::MAX), voice.frame(u32::MAX));
    }

    #[test]
    fn it_is_neither_silent_nor_clipped() {
        let voice = Voice::new(4711, Law::Mu);
        let mut loudest = 0;
        let mut energy = 0_u64;
        for number in 0..100 {
            for octet in voice.frame(number) {
                let sample = i64::from(Law::Mu.decode(octet));
                loudest = loudest.max(sample.abs());
                energy += (sample * sample) as u64;
            }
        }
        let effective = ((energy / (100 * FRAME_SAMPLES as u64)) as f64).sqrt();
        assert!(loudest < 20_000, "peaks at {loudest}");
        assert!(effective > 1_500.0, "only {effective} effective");
    }
}
