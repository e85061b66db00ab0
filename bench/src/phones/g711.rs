//! G.711 at 8000 samples a second: µ-law (PCMU, RTP payload type 0) and A-law (PCMA, type 8).
//!
//! Samples are 16-bit linear. µ-law uses the upper 14 bits of a sample and A-law the upper 13, as
//! ITU-T G.711 tables 1 and 2 lay down; the tests compare with those tables.

/// Samples in one second.
pub const SAMPLE_RATE: u32 = 8_000;
/// Samples, and bytes, in one packet of 20 ms.
pub const FRAME_SAMPLES: usize = 160;

/// Which of the two companding laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// PCMU, payload type 0 (RFC 3551).
    Mu,
    /// PCMA, payload type 8 (RFC 3551).
    A,
}

impl Law {
    /// The static RTP payload type of RFC 3551 table 4.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    /// The law that a static RTP payload type names, if it names one.
    #[must_use]
    pub const fn from_payload_type(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Mu),
            8 => Some(Self::A),
            _ => None,
        }
    }

    /// The `a=rtpmap` encoding name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// One sample to one octet.
    #[must_use]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    /// One octet to one sample.
    #[must_use]
    pub const fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Mu => decode_mu(octet),
            Self::A => decode_a(octet),
        }
    }
}

/// Offset that makes every µ-law segment start at a power of two (14-bit scale).
const MU_BIAS: u16 = 33;
/// Largest biased 14-bit magnitude.
const MU_CLIP: u16 = 0x1fff;
/// A-law inverts every second bit on the line.
const A_INVERT: u8 = 0x55;

/// The magnitude of a sample with its lowest `shift` bits dropped; negatives by ones' complement,
/// so that -1 falls in the same interval as 0.
const fn magnitude(sample: i16, shift: u32) -> u16 {
    let folded = if sample < 0 { !sample } else { sample };
    (folded as u16) >> shift
}

const fn encode_mu(sample: i16) -> u8 {
    let mut level = magnitude(sample, 2) + MU_BIAS;
    if level > MU_CLIP {
        level = MU_CLIP;
    }
    // `level` is at least 33, so its highest bit is bit 5 (segment 0) to bit 12 (segment 7).
    let segment = 10 - level.leading_zeros() as u16;
    let step = (level >> (segment + 1)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0x00 };
    !(sign | (segment << 4) as u8 | step as u8)
}

const fn decode_mu(octet: u8) -> i16 {
    let code = !octet;
    let segment = ((code >> 4) & 0x07) as u16;
    let step = (code & 0x0f) as u16;
    let level = (((step << 1) + MU_BIAS) << segment) - MU_BIAS;
    let value = (level << 2) as i16;
    if code & 0x80 == 0 { value } else { -value }
}

const fn encode_a(sample: i16) -> u8 {
    let level = magnitude(sample, 4);
    let code = if level < 16 {
        level
    } else {
        // The highest bit is bit 4 (segment 1) to bit 10 (segment 7).
        let segment = 12 - level.leading_zeros() as u16;
        (segment << 4) | ((level >> (segment - 1)) & 0x0f)
    };
    let sign = if sample < 0 { 0x00 } else { 0x80 };
    (code as u8 | sign) ^ A_INVERT
}

const fn decode_a(octet: u8) -> i16 {
    let code = octet ^ A_INVERT;
    let segment = ((code >> 4) & 0x07) as u16;
    let step = (code & 0x0f) as u16;
    // The middle of the interval, in 13-bit magnitude doubled so that it is a whole number.
    let level = if segment == 0 {
        (step << 1) + 1
    } else {
        ((step << 1) + 33) << (segment - 1)
    };
    let value = (level << 3) as i16;
    if code & 0x80 == 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 table 2a: character signal, decoder output on the 14-bit scale.
    const MU_TABLE: [(u8, i16); 10] = [
        (0x80, 8031),
        (0x8f, 4191),
        (0x9f, 2079),
        (0xaf, 1023),
        (0xbf, 495),
        (0xcf, 231),
        (0xdf, 99),
        (0xef, 33),
        (0xfe, 2),
        (0xff, 0),
    ];

    /// G.711 table 1a: character signal before the even bits are inverted, output on the 13-bit
    /// scale.
    const A_TABLE: [(u8, i16); 8] = [
        (0xff, 4032),
        (0xf0, 2112),
        (0xe0, 1056),
        (0xd0, 528),
        (0xc0, 264),
        (0xb0, 132),
        (0xa0, 66),
        (0x80, 1),
    ];

    #[test]
    fn mu_law_outputs_are_those_of_the_recommendation() {
        for (code, output) in MU_TABLE {
            assert_eq!(Law::Mu.decode(code), output * 4, "code {code:#04x}");
            assert_eq!(
                Law::Mu.decode(code & 0x7f),
                -output * 4,
                "negative {code:#04x}"
            );
        }
    }

    #[test]
    fn a_law_outputs_are_those_of_the_recommendation() {
        for (code, output) in A_TABLE {
            assert_eq!(Law::A.decode(code ^ 0x55), output * 8, "code {code:#04x}");
            assert_eq!(
                Law::A.decode((code & 0x7f) ^ 0x55),
                -output * 8,
                "negative {code:#04x}"
            );
        }
    }

    #[test]
    fn mu_law_decision_values_start_each_segment() {
        // Table 2a, column 3: x = 4063, 2015, 991, 479, 223, 95, 31 are where a segment ends.
        let segments = [
            (4063, 0x8f),
            (2015, 0x9f),
            (991, 0xaf),
            (479, 0xbf),
            (223, 0xcf),
        ];
        for (decision, code) in segments.into_iter().chain([(95, 0xdf), (31, 0xef)]) {
            assert_eq!(Law::Mu.encode(decision * 4), code, "at {decision}");
            let below = Law::Mu.encode(decision * 4 - 1);
            assert_eq!(below, code + 1, "just below {decision}");
        }
        assert_eq!(Law::Mu.encode(i16::MAX), 0x80);
        assert_eq!(Law::Mu.encode(i16::MIN), 0x00);
        assert_eq!(Law::Mu.encode(0), 0xff);
    }

    #[test]
    fn a_law_decision_values_start_each_segment() {
        // Table 1a: 2048, 1024, 512, 256, 128, 64 start a segment.
        let segments = [
            (2048, 0xf0),
            (1024, 0xe0),
            (512, 0xd0),
            (256, 0xc0),
            (128, 0xb0),
        ];
        for (decision, code) in segments.into_iter().chain([(64, 0xa0)]) {
            assert_eq!(Law::A.encode(decision * 8) ^ 0x55, code, "at {decision}");
            let below = Law::A.encode(decision * 8 - 1) ^ 0x55;
            assert_eq!(below, code - 1, "just below {decision}");
        }
        assert_eq!(Law::A.encode(i16::MAX), 0xaa);
        assert_eq!(Law::A.encode(i16::MIN), 0x2a);
        assert_eq!(Law::A.encode(0), 0xd5);
    }

    #[test]
    fn decoding_and_encoding_again_changes_nothing() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=u8::MAX {
                let again = law.encode(law.decode(code));
                // µ-law has two zeros; the negative one is heard as the positive one.
                let expected = if law == Law::Mu && code == 0x7f {
                    0xff
                } else {
                    code
                };
                assert_eq!(again, expected, "{law:?} {code:#04x}");
            }
        }
    }

    #[test]
    fn quantising_is_within_half_a_step_and_monotone() {
        for law in [Law::Mu, Law::A] {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let heard = law.decode(law.encode(sample));
                assert!(heard >= last, "{law:?} {sample}");
                last = heard;
                let error = (i32::from(heard) - i32::from(sample)).abs();
                let loudness = i32::from(sample).abs();
                assert!(
                    error <= 16 + loudness / 24,
                    "{law:?} {sample} heard as {heard}"
                );
            }
        }
    }
}
