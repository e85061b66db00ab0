//! Sounds to tell by their pitch.

use super::media::Packet;

/// Samples of G.711 in a second.
const RATE: f64 = 8000.0;

/// A WAV file with some seconds of a tone: 16 bit, at `rate` Hz.
pub fn tone(hz: u32, rate: u32, channels: u16, seconds: u32) -> Vec<u8> {
    let frame = channels * 2;
    let length = rate * seconds * u32::from(frame);
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * u32::from(frame)).to_le_bytes());
    file.extend_from_slice(&frame.to_le_bytes());
    file.extend_from_slice(b"\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    let step = 2.0 * std::f64::consts::PI * f64::from(hz) / f64::from(rate);
    for at in 0..rate * seconds {
        let sample = (8000.0 * (step * f64::from(at)).sin()) as i16;
        for _ in 0..channels {
            file.extend_from_slice(&sample.to_le_bytes());
        }
    }
    file
}

/// The sound of packets of G.711 mu-law.
pub fn samples(packets: &[Packet]) -> Vec<f64> {
    let bytes = packets.iter().flat_map(|packet| packet.payload().to_vec());
    bytes.map(linear).collect()
}

/// Whether a pitch is in it, and the pitch three times as high is not.
pub fn has_tone(samples: &[f64], hz: u32) -> bool {
    let (tone, other) = (power(samples, hz), power(samples, hz * 3));
    tone > 100.0 * other && tone > 1e9
}

/// G.711 mu-law.
fn linear(byte: u8) -> f64 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 15) << 3) + 132) << ((byte >> 4) & 7);
    let sample = f64::from(magnitude - 132);
    if byte & 128 == 0 { sample } else { -sample }
}

/// Power of one pitch (Goertzel).
fn power(samples: &[f64], hz: u32) -> f64 {
    let coefficient = 2.0 * (2.0 * std::f64::consts::PI * f64::from(hz) / RATE).cos();
    let (last, before) = samples.iter().fold((0.0, 0.0), |(last, before), sample| {
        (sample + coefficient * last - before, last)
    });
    last * last + before * before - coefficient * last * before
}
