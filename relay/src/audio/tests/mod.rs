//! What the tests of sounds share: tones, levels and WAV files.
#![allow(clippy::unwrap_used, clippy::panic)]

mod hostile;
mod law;
mod library;
mod music;
mod rates;
mod say;
mod wav;

use std::f64::consts::TAU;

use super::law::decode_mu;
use super::{Clip, SAMPLE_RATE};

/// Samples of a sine of half of full scale.
fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<f64> {
    let samples = (f64::from(rate) * seconds) as usize;
    let at = |sample: usize| 0.5 * (TAU * hertz * sample as f64 / f64::from(rate)).sin();
    (0..samples).map(at).collect()
}

fn as_pcm16(samples: &[f64]) -> Vec<u8> {
    let bytes = |sample: &f64| ((sample * 32_767.0).round() as i16).to_le_bytes();
    samples.iter().flat_map(bytes).collect()
}

/// A WAV file with a plain format chunk.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    riff(&[
        (*b"fmt ", &format(tag, channels, rate, bits)),
        (*b"data", data),
    ])
}

fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let frame = channels.wrapping_mul(bits.div_ceil(8));
    let mut format = tag.to_le_bytes().to_vec();
    format.extend(channels.to_le_bytes());
    format.extend(rate.to_le_bytes());
    format.extend(rate.wrapping_mul(u32::from(frame)).to_le_bytes());
    format.extend(frame.to_le_bytes());
    format.extend(bits.to_le_bytes());
    format
}

fn riff(chunks: &[([u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
    for (name, content) in chunks {
        file.extend(name);
        file.extend((content.len() as u32).to_le_bytes());
        file.extend(*content);
        if content.len() % 2 == 1 {
            file.push(0);
        }
    }
    file
}

/// The clip's samples, about -1 to 1.
fn heard(clip: &Clip) -> Vec<f64> {
    let sample = |&byte: &u8| f64::from(decode_mu(byte)) / 32_768.0;
    clip.samples().iter().map(sample).collect()
}

/// Of a sequence at 8 kHz: how loud all of it is, in dB of a full sine.
fn level(samples: &[f64]) -> f64 {
    let squares: f64 = samples.iter().map(|sample| sample * sample).sum();
    10.0 * (2.0 * squares / samples.len() as f64).log10()
}

/// Of a sequence at 8 kHz: how loud one tone in it is, in dB of a full sine.
fn level_at(samples: &[f64], hertz: f64) -> f64 {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        // Hann's window, so that other tones do not leak in.
        let window = 1.0 - (TAU * index as f64 / samples.len() as f64).cos();
        let angle = TAU * hertz * index as f64 / f64::from(SAMPLE_RATE);
        re += window * sample * angle.cos();
        im += window * sample * angle.sin();
        weight += window;
    }
    10.0 * ((re * re + im * im) * 4.0 / (weight * weight)).log10()
}

/// Without the beginning and the end, where a filter swings in and out.
fn middle(samples: &[f64]) -> &[f64] {
    let edge = samples.len() / 10;
    &samples[edge..samples.len() - edge]
}
