//! WAV files (RIFF/WAVE, Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and
//! "New Multimedia Data Types and Data Techniques 3.0"), of any of the forms in which recordings come.

use std::time::Duration;

use super::resample::{resample, resampled};
use super::{Clip, MAX_CLIP_BYTES, MAX_CLIP_TIME, law};

/// The largest file: ten minutes of 16 bit stereo at 48 kHz have 110 MiB.
pub const MAX_WAV_BYTES: usize = 128 << 20;
/// More channels than these are no recording for a telephone.
const MAX_CHANNELS: u16 = 8;
const MIN_RATE: u32 = 4_000;
const MAX_RATE: u32 = 192_000;

/// What turns any recording into one that is read.
const CONVERT: &str = "convert it with `ffmpeg -i in -ar 8000 -ac 1 out.wav`";

/// Why a file is not a clip, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// It does not begin as RIFF/WAVE does.
    #[error("not a WAV file, whatever its name says: {CONVERT}")]
    NotWave,
    /// A part that each WAV file has is missing or makes no sense.
    #[error("a damaged WAV file ({0}): export it again, or {CONVERT}")]
    Damaged(&'static str),
    /// It is WAV around a codec that is not read.
    #[error("{0} inside WAV: {CONVERT}")]
    Codec(String),
    /// Bits a sample that its codec does not have.
    #[error("samples of {bits} bits as {codec}: {CONVERT}")]
    Bits {
        /// Bits a sample.
        bits: u16,
        /// The codec they are said to be of.
        codec: &'static str,
    },
    /// Channels beyond 1 to 8.
    #[error("{0} channels, and 1 to {MAX_CHANNELS} are mixed: {CONVERT}")]
    Channels(u16),
    /// A rate beyond 4,000 to 192,000 Hz.
    #[error("a rate of {0} Hz, and {MIN_RATE} to {MAX_RATE} are read: {CONVERT}")]
    Rate(u32),
    /// No sample is in it.
    #[error("no sound in it: record it again")]
    Empty,
    /// More than [`MAX_WAV_BYTES`].
    #[error("more than {MAX_WAV_BYTES} bytes: {CONVERT}")]
    TooLarge,
    /// More than [`MAX_CLIP_TIME`].
    #[error("{} s long, and {} s are played at most: cut it", .0.as_secs(), MAX_CLIP_TIME.as_secs())]
    TooLong(Duration),
}

/// Reads a RIFF/WAVE file: PCM of 8 to 32 bits, IEEE floats of 32 and 64 bits, mu-law or A-law, plain or as
/// `WAVE_FORMAT_EXTENSIBLE`; 1 to 8 channels, which are mixed to one; 4 to 192 kHz, resampled to 8 kHz. A file
/// that was cut short gives what is there of it. Holds no more than the clip besides `bytes`.
///
/// # Errors
///
/// A [`WavError`] for every other form, for a file larger than [`MAX_WAV_BYTES`], and for sound longer than
/// [`MAX_CLIP_TIME`].
pub fn read_wav(bytes: &[u8]) -> Result<Clip, WavError> {
    if bytes.len() > MAX_WAV_BYTES {
        return Err(WavError::TooLarge);
    }
    let (format, data) = parts(bytes)?;
    let form = Form::read(format)?;
    let frames = data.chunks_exact(form.frame_bytes);
    if frames.len() == 0 {
        return Err(WavError::Empty);
    }
    let length = resampled(frames.len(), form.rate);
    if length > MAX_CLIP_BYTES {
        let seconds = frames.len() as u64 / u64::from(form.rate);
        return Err(WavError::TooLong(Duration::from_secs(seconds)));
    }
    let mut samples = Vec::with_capacity(length);
    resample(form.rate, frames.map(|frame| form.mixed(frame)), |sample| {
        // The conversion saturates, and takes what is no number for silence.
        samples.push(law::encode_mu((sample * 32_768.0).round() as i16));
    });
    Ok(Clip {
        samples: samples.into(),
    })
}

/// The contents of the chunks `fmt ` and `data`.
fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), WavError> {
    let mut rest = match bytes {
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            rest @ ..,
        ] => rest,
        _ => return Err(WavError::NotWave),
    };
    let (mut format, mut data) = (None, None);
    while let Some((&[a, b, c, d, s0, s1, s2, s3], after)) = rest.split_first_chunk() {
        // Writers to a pipe do not know the size and give the largest, and cut files have less: what is there counts.
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let (content, after) = after.split_at(size.min(after.len()));
        match &[a, b, c, d] {
            b"fmt " => format = format.or(Some(content)),
            b"data" => data = data.or(Some(content)),
            _ => {}
        }
        rest = match after {
            // Some writers forget the padding; no chunk's name begins with a zero.
            [0, padded @ ..] if size % 2 == 1 => padded,
            _ => after,
        };
    }
    Ok((
        format.ok_or(WavError::Damaged("it does not tell its format"))?,
        data.ok_or(WavError::Empty)?,
    ))
}

/// How a sample is written.
#[derive(Clone, Copy)]
enum Coding {
    Pcm,
    Float,
    MuLaw,
    ALaw,
}

/// What the chunk `fmt ` tells.
struct Form {
    coding: Coding,
    rate: u32,
    /// Bytes of one sample of one channel: as many as `coding` has, 1 to 8.
    width: usize,
    /// Bytes of the samples of all channels at one time.
    frame_bytes: usize,
}

impl Form {
    fn read(format: &[u8]) -> Result<Self, WavError> {
        let short = WavError::Damaged("its format is cut short");
        let Some((&[t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, f0, f1, b0, b1], more)) =
            format.split_first_chunk()
        else {
            return Err(short);
        };
        let channels = u16::from_le_bytes([c0, c1]);
        let rate = u32::from_le_bytes([r0, r1, r2, r3]);
        let frame_bytes = u16::from_le_bytes([f0, f1]);
        let bits = u16::from_le_bytes([b0, b1]);
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(WavError::Channels(channels));
        }
        if !(MIN_RATE..=MAX_RATE).contains(&rate) {
            return Err(WavError::Rate(rate));
        }
        let tag = tag(u16::from_le_bytes([t0, t1]), more).ok_or(short)?;
        if frame_bytes == 0 || frame_bytes % channels != 0 {
            return Err(WavError::Damaged("its channels do not share its bytes"));
        }
        let width = frame_bytes / channels;
        Ok(Self {
            coding: coding(tag, bits, width)?,
            rate,
            width: width.into(),
            frame_bytes: frame_bytes.into(),
        })
    }

    /// The mean of a frame's channels, about -1 to 1.
    fn mixed(&self, frame: &[u8]) -> f32 {
        let channels = frame.chunks_exact(self.width);
        let count = channels.len() as f32;
        channels.map(|sample| self.sample(sample)).sum::<f32>() / count
    }

    fn sample(&self, bytes: &[u8]) -> f32 {
        match (self.coding, bytes) {
            (Coding::Pcm, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Coding::Pcm, &[a, b]) => linear([0, 0, a, b]),
            (Coding::Pcm, &[a, b, c]) => linear([0, a, b, c]),
            (Coding::Pcm, &[a, b, c, d]) => linear([a, b, c, d]),
            (Coding::Float, &[a, b, c, d]) => sane(f32::from_le_bytes([a, b, c, d])),
            (Coding::Float, &[a, b, c, d, e, f, g, h]) => {
                sane(f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32)
            }
            (Coding::MuLaw, &[a]) => f32::from(law::decode_mu(a)) / 32_768.0,
            (Coding::ALaw, &[a]) => f32::from(law::decode_a(a)) / 32_768.0,
            // `coding` let no other width pass.
            _ => 0.0,
        }
    }
}

/// Samples stand in the upper bits of their bytes, so that one scale is right for each width.
fn linear(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

/// What is no number, or beyond all recordings, would spread through the filter.
fn sane(sample: f32) -> f32 {
    if sample.is_nan() {
        0.0
    } else {
        sample.clamp(-1.0, 1.0)
    }
}

const PCM: u16 = 0x0001;
const IEEE_FLOAT: u16 = 0x0003;
const A_LAW: u16 = 0x0006;
const MU_LAW: u16 = 0x0007;
const EXTENSIBLE: u16 = 0xfffe;
/// The end of a `SubFormat` whose beginning is a codec's number.
const KS_SUBTYPE: [u8; 14] = [0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113];

/// The codec's number: of `WAVE_FORMAT_EXTENSIBLE` that in its `SubFormat`; none if that is cut short.
fn tag(tag: u16, more: &[u8]) -> Option<u16> {
    if tag != EXTENSIBLE {
        return Some(tag);
    }
    // Before it stand its size (2), the valid bits (2) and the places of the channels (4).
    let (&[t0, t1, ref end @ ..], _) = more.get(8..)?.split_first_chunk::<16>()?;
    Some(if *end == KS_SUBTYPE {
        u16::from_le_bytes([t0, t1])
    } else {
        EXTENSIBLE
    })
}

fn coding(tag: u16, bits: u16, width: u16) -> Result<Coding, WavError> {
    let (coding, codec) = match tag {
        PCM => (Coding::Pcm, "PCM"),
        IEEE_FLOAT => (Coding::Float, "IEEE float"),
        MU_LAW => (Coding::MuLaw, "mu-law"),
        A_LAW => (Coding::ALaw, "A-law"),
        other => return Err(WavError::Codec(codec_name(other))),
    };
    let fits = match coding {
        Coding::Pcm => (1..=4).contains(&width) && (1..=width * 8).contains(&bits),
        Coding::Float => (width == 4 || width == 8) && bits == width * 8,
        Coding::MuLaw | Coding::ALaw => width == 1,
    };
    if fits {
        Ok(coding)
    } else {
        Err(WavError::Bits { bits, codec })
    }
}

/// What people call a codec (RFC 2361 appendix A), or its number.
fn codec_name(tag: u16) -> String {
    let name = match tag {
        0x0002 => "Microsoft ADPCM",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0045 | 0x0064 => "G.726",
        0x0050 => "MPEG layer 2",
        0x0055 => "MP3",
        0x0065 => "G.722",
        0x0083 => "G.729",
        0x00ff | 0x1600 | 0x1602 | 0x1610 => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x674f..=0x6771 => "Vorbis",
        0x704f => "Opus",
        0xf1ac => "FLAC",
        _ => return format!("codec 0x{tag:04x}"),
    };
    name.to_owned()
}
