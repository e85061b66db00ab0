//! The sounds that waiting callers hear: music, a chime, and announcements composed of prompts.
//!
//! A [`Library`] has them by name: those compiled in, and the WAV files of an operator's folder in their place
//! or beside them. [`Library::say`] makes a sentence of prompts in a language. Nothing here sends or does I/O,
//! but for [`Library::load`], which reads that folder.

use std::time::Duration;

pub mod law;
mod library;
mod music;
mod prompts;
mod resample;
mod say;
#[cfg(test)]
mod tests;
mod wav;

pub use library::{
    Library, LibraryError, MAX_CLIPS, MAX_FOLDER_DEPTH, MAX_FOLDER_ENTRIES, MAX_LIBRARY_BYTES,
};
pub use say::{FALLBACK_LANGUAGE, MAX_SAID, Saying};
pub use wav::{MAX_WAV_BYTES, WavError, read_wav};

/// Samples a second of each clip: the clock of payload types 0 and 8 (RFC 3551 section 4.5.14).
pub const SAMPLE_RATE: u32 = 8_000;
/// The longest clip.
pub const MAX_CLIP_TIME: Duration = Duration::from_secs(600);
/// The memory of the longest clip, in bytes: a byte a sample.
pub const MAX_CLIP_BYTES: usize = MAX_CLIP_TIME.as_secs() as usize * SAMPLE_RATE as usize;

/// Sound of one channel at 8 kHz, kept as G.711 mu-law, a byte a sample.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    samples: Box<[u8]>,
}

impl Clip {
    /// Of linear samples at 8 kHz. What goes beyond [`MAX_CLIP_TIME`] is cut off.
    #[must_use]
    pub fn from_pcm(samples: &[i16]) -> Self {
        let kept = samples.iter().take(MAX_CLIP_BYTES);
        Self {
            samples: kept.map(|&sample| law::encode_mu(sample)).collect(),
        }
    }

    /// The samples, as they stand in RTP payload type 0 (mu-law). [`law::mu_to_a`] makes those of type 8.
    #[must_use]
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }

    /// How long it sounds, to the sample (125 us).
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({:?})", self.duration())
    }
}
