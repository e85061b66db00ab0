//! G.711 by its tables: ends, zero, every sample and every byte.

use crate::audio::law::{decode_a, decode_mu, encode_a, encode_mu, mu_to_a};

#[test]
fn mu_law_has_the_bytes_of_the_standard() {
    for (sample, byte, back) in [
        (0, 0xff, 0),
        (-1, 0x7f, 0),
        (3, 0xff, 0),
        (4, 0xfe, 8),
        (123, 0xf0, 120),
        (124, 0xef, 132),
        (8_031, 0xa0, 7_932),
        (i16::MAX, 0x80, 32_124),
        (i16::MIN, 0x00, -32_124),
    ] {
        assert_eq!(encode_mu(sample), byte, "{sample}");
        assert_eq!(decode_mu(byte), back, "{byte:#x}");
    }
}

#[test]
fn a_law_has_the_bytes_of_the_standard() {
    for (sample, byte, back) in [
        (0, 0xd5, 8),
        (-1, 0x55, -8),
        (15, 0xd5, 8),
        (16, 0xd4, 24),
        (255, 0xda, 248),
        (256, 0xc5, 264),
        (512, 0xf5, 528),
        (i16::MAX, 0xaa, 32_256),
        (i16::MIN, 0x2a, -32_256),
    ] {
        assert_eq!(encode_a(sample), byte, "{sample}");
        assert_eq!(decode_a(byte), back, "{byte:#x}");
    }
}

#[test]
fn every_byte_stays_what_it_is() {
    for byte in 0..=u8::MAX {
        assert_eq!(encode_a(decode_a(byte)), byte);
        // Mu-law has two zeros.
        let expected = if byte == 0x7f { 0xff } else { byte };
        assert_eq!(encode_mu(decode_mu(byte)), expected);
    }
}

#[test]
fn every_sample_is_off_by_half_a_step_at_most() {
    for sample in i16::MIN..=i16::MAX {
        let magnitude = i32::from(sample).abs();
        let mu = (i32::from(decode_mu(encode_mu(sample))) - i32::from(sample)).abs();
        let a = (i32::from(decode_a(encode_a(sample))) - i32::from(sample)).abs();
        if magnitude <= 32_635 {
            assert!(mu <= (magnitude + 132) / 32, "{sample}: {mu}");
        }
        assert!(a <= (magnitude / 32).max(8), "{sample}: {a}");
    }
}

#[test]
fn louder_is_never_quieter() {
    for sample in i16::MIN..i16::MAX {
        assert!(decode_mu(encode_mu(sample)) <= decode_mu(encode_mu(sample + 1)));
        assert!(decode_a(encode_a(sample)) <= decode_a(encode_a(sample + 1)));
    }
}

#[test]
fn mu_law_becomes_the_a_law_that_sounds_the_same() {
    // Silence stays silence, and the ends stay the ends.
    assert_eq!(mu_to_a(0xff), 0xd5);
    assert_eq!(mu_to_a(0x80), 0xaa);
    assert_eq!(mu_to_a(0x00), 0x2a);
    for byte in 0..=u8::MAX {
        let mu = i32::from(decode_mu(byte));
        let a = i32::from(decode_a(mu_to_a(byte)));
        assert!((mu - a).abs() <= (mu.abs() / 32).max(8), "{byte:#x}");
    }
}
