//! WAV files as they come from recorders, editors and pipes, and those that are refused.

use std::time::Duration;

use super::*;
use crate::audio::law::{encode_a, encode_mu};
use crate::audio::{MAX_CLIP_BYTES, MAX_CLIP_TIME, MAX_WAV_BYTES, WavError, read_wav};

/// Half a second of 501 Hz at 8 kHz, so that nothing is resampled.
fn reference() -> Vec<f64> {
    tone(501.0, 8_000, 0.5)
}

fn bytes<const N: usize>(of: impl Fn(f64) -> [u8; N]) -> Vec<u8> {
    reference().into_iter().flat_map(of).collect()
}

/// Fails unless the file sounds as the reference does, but for the noise that a law of 8 bits adds.
fn sounds_right(form: &str, file: &[u8]) {
    let heard = heard(&read_wav(file).unwrap_or_else(|error| panic!("{form}: {error}")));
    let reference = reference();
    assert_eq!(heard.len(), reference.len(), "{form}");
    let noise: Vec<f64> = heard.iter().zip(&reference).map(|(h, r)| h - r).collect();
    let ratio = level(&reference) - level(&noise);
    assert!(ratio > 30.0, "{form}: {ratio} dB above its noise");
}

#[test]
fn every_usual_form_is_read() {
    let scaled = |s: f64| (s * 2_147_483_647.0) as i32;
    let of = |tag, bits, data: Vec<u8>| wav(tag, 1, 8_000, bits, &data);
    for (form, file) in [
        ("PCM 8", of(1, 8, bytes(|s| [(s * 127.0 + 128.0) as u8]))),
        ("PCM 16", of(1, 16, as_pcm16(&reference()))),
        (
            "PCM 24",
            of(
                1,
                24,
                bytes(|s| {
                    let [_, a, b, c] = scaled(s).to_le_bytes();
                    [a, b, c]
                }),
            ),
        ),
        ("PCM 32", of(1, 32, bytes(|s| scaled(s).to_le_bytes()))),
        ("float 32", of(3, 32, bytes(|s| (s as f32).to_le_bytes()))),
        ("float 64", of(3, 64, bytes(f64::to_le_bytes))),
        (
            "mu-law",
            of(7, 8, bytes(|s| [encode_mu((s * 32_767.0) as i16)])),
        ),
        (
            "A-law",
            of(6, 8, bytes(|s| [encode_a((s * 32_767.0) as i16)])),
        ),
    ] {
        sounds_right(form, &file);
    }
}

#[test]
fn sixteen_bits_at_the_rate_of_telephones_are_kept_exactly() {
    let samples: Vec<i16> = (i16::MIN..=i16::MAX).step_by(7).collect();
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let clip = read_wav(&wav(1, 1, 8_000, 16, &data)).unwrap();
    assert_eq!(clip, Clip::from_pcm(&samples));
}

/// A format chunk with a `SubFormat` that begins with a codec's number.
fn extensible(codec: u16, end: [u8; 14], bits: u16) -> Vec<u8> {
    let mut extensible = format(0xfffe, 1, 8_000, bits);
    extensible.extend([22, 0, 16, 0, 4, 0, 0, 0]);
    extensible.extend(codec.to_le_bytes());
    extensible.extend(end);
    extensible
}

#[test]
fn the_extensible_form_is_read() {
    let end = [0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113];
    let data = as_pcm16(&reference());
    let file = |format: &[u8]| riff(&[(*b"fmt ", format), (*b"data", &data)]);
    sounds_right("extensible", &file(&extensible(1, end, 16)));
    assert_eq!(
        read_wav(&file(&extensible(0x55, end, 16))),
        Err(WavError::Codec("MP3".into()))
    );
    assert_eq!(
        read_wav(&file(&extensible(1, [7; 14], 16))),
        Err(WavError::Codec("codec 0xfffe".into()))
    );
    let cut = read_wav(&file(&extensible(1, end, 16)[..39]));
    assert_eq!(cut, Err(WavError::Damaged("its format is cut short")));
}

#[test]
fn channels_are_mixed_to_one() {
    let one = reference();
    let stereo = |right: &dyn Fn(f64) -> f64| {
        let both: Vec<f64> = one.iter().flat_map(|&s| [s, right(s)]).collect();
        level(&heard(
            &read_wav(&wav(1, 2, 8_000, 16, &as_pcm16(&both))).unwrap(),
        ))
    };
    assert!((stereo(&|s| s) - level(&one)).abs() < 0.1);
    assert!((stereo(&|_| 0.0) - level(&one) + 6.02).abs() < 0.1);
    assert!(stereo(&|s| -s) < -80.0);
    let eight: Vec<f64> = one.iter().flat_map(|&s| [s; 8]).collect();
    sounds_right("8 channels", &wav(1, 8, 8_000, 16, &as_pcm16(&eight)));
}

#[test]
fn other_chunks_and_their_padding_are_passed_over() {
    let data = as_pcm16(&reference());
    let format = format(1, 1, 8_000, 16);
    let fmt = (*b"fmt ", &format[..]);
    let padded = riff(&[(*b"LIST", b"odd"), fmt, (*b"fact", &[]), (*b"data", &data)]);
    sounds_right("padded", &padded);
    let mut unpadded = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0odd".to_vec();
    unpadded.extend(&riff(&[fmt, (*b"data", &data)])[12..]);
    sounds_right("unpadded", &unpadded);
    sounds_right("late format", &riff(&[(*b"data", &data), fmt]));
    let second = riff(&[fmt, (*b"data", &data), (*b"data", &[1; 64])]);
    sounds_right("a second data chunk", &second);
}

#[test]
fn what_is_there_of_a_cut_file_is_heard() {
    let data = as_pcm16(&reference());
    let whole = wav(1, 1, 8_000, 16, &data);
    // The header says more than there is; the last sample is half of one.
    let cut = read_wav(&whole[..whole.len() - 1_001]).unwrap();
    assert_eq!(cut.samples().len(), 4_000 - 501);
    // A writer to a pipe could not go back and fill the size in.
    let mut piped = whole.clone();
    piped[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    sounds_right("piped", &piped);
    // Nothing but the header came.
    assert_eq!(read_wav(&whole[..44]), Err(WavError::Empty));
    assert_eq!(read_wav(&whole[..36]), Err(WavError::Empty));
    let damaged = WavError::Damaged("it does not tell its format");
    assert_eq!(read_wav(&whole[..16]), Err(damaged));
}

#[test]
fn what_is_not_read_is_refused_with_what_to_do() {
    let ffmpeg = "`ffmpeg -i in -ar 8000 -ac 1 out.wav`";
    let sound = [0; 64];
    let mut odd = format(1, 2, 8_000, 16);
    odd[12] = 3;
    for (file, words) in [
        (
            b"ID3\x04 an MP3 with a false name".to_vec(),
            "not a WAV file",
        ),
        (vec![], "not a WAV file"),
        (wav(0x55, 1, 8_000, 16, &sound), "MP3 inside WAV"),
        (wav(0x11, 1, 8_000, 4, &sound), "IMA ADPCM inside WAV"),
        (wav(0x1234, 1, 8_000, 16, &sound), "codec 0x1234 inside WAV"),
        (wav(1, 1, 8_000, 40, &sound), "samples of 40 bits as PCM"),
        (
            wav(3, 1, 8_000, 16, &sound),
            "samples of 16 bits as IEEE float",
        ),
        (wav(7, 1, 8_000, 16, &sound), "samples of 16 bits as mu-law"),
        (wav(1, 0, 8_000, 16, &sound), "0 channels"),
        (wav(1, 9, 8_000, 16, &sound), "9 channels"),
        (wav(1, 1, 3_999, 16, &sound), "a rate of 3999 Hz"),
        (wav(1, 1, 192_001, 16, &sound), "a rate of 192001 Hz"),
        (riff(&[(*b"data", &sound)]), "does not tell its format"),
        (riff(&[(*b"fmt ", &odd), (*b"data", &sound)]), "damaged"),
    ] {
        let error = read_wav(&file).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(ffmpeg), "{error}");
    }
    let error = read_wav(&wav(1, 1, 8_000, 16, &[])).unwrap_err();
    assert_eq!(error.to_string(), "no sound in it: record it again");
}

#[test]
fn no_clip_is_longer_than_the_limit() {
    let most = vec![0xff; MAX_CLIP_BYTES + 1];
    let clip = read_wav(&wav(7, 1, 8_000, 8, &most[1..])).unwrap();
    assert_eq!(clip.duration(), MAX_CLIP_TIME);
    let error = read_wav(&wav(7, 1, 8_000, 8, &most)).unwrap_err();
    assert_eq!(error, WavError::TooLong(MAX_CLIP_TIME));
    let error = read_wav(&wav(7, 1, 4_000, 8, &most)).unwrap_err();
    assert_eq!(error, WavError::TooLong(Duration::from_secs(1_200)));
    let text = "1200 s long, and 600 s are played at most: cut it";
    assert_eq!(error.to_string(), text);
    let cut = Clip::from_pcm(&vec![0; MAX_CLIP_BYTES + 1]);
    assert_eq!(cut.samples().len(), MAX_CLIP_BYTES);
}

#[test]
fn no_larger_file_is_looked_at() {
    let error = read_wav(&vec![0; MAX_WAV_BYTES + 1]).unwrap_err();
    assert_eq!(error, WavError::TooLarge);
}
