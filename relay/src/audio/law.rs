//! The two companding laws of telephone sound (ITU-T G.711): a byte a sample, about 13 bits of range.
//!
//! Linear samples are `i16` over their full range. Both laws take and give the bytes as they stand in RTP
//! payload types 0 and 8 (RFC 3551 section 4.5.14): mu-law inverted, A-law with every second bit inverted.

/// What mu-law adds to a magnitude so that its segments begin at powers of two.
const MU_BIAS: i32 = 0x84;
/// The largest magnitude that mu-law tells apart.
const MU_MOST: i32 = 32_635;
/// The bits that A-law inverts on the wire.
const A_INVERTED: u8 = 0x55;
const SIGN: u8 = 0x80;

/// The mu-law byte of a linear sample (ITU-T G.711, table 2). It is off by a 32nd of the sample and 4 at
/// most.
#[must_use]
pub const fn encode_mu(sample: i16) -> u8 {
    let sign = if sample < 0 { SIGN } else { 0 };
    let magnitude = (sample as i32).abs();
    let biased = MU_BIAS
        + if magnitude > MU_MOST {
            MU_MOST
        } else {
            magnitude
        };
    // The segment is the place of the highest bit, of which the bias makes at least bit 7.
    let segment = 24 - biased.leading_zeros();
    let step = (biased >> (segment + 3)) & 0x0f;
    !(sign | (segment as u8) << 4 | step as u8)
}

/// The linear sample of a mu-law byte: -32,124 to 32,124.
#[must_use]
pub const fn decode_mu(byte: u8) -> i16 {
    let byte = !byte;
    let segment = (byte >> 4) & 0x07;
    let step = (byte & 0x0f) as i32;
    let magnitude = (((step << 3) + MU_BIAS) << segment) - MU_BIAS;
    signed(byte & SIGN != 0, magnitude)
}

/// The A-law byte of a linear sample (ITU-T G.711, table 1). It is off by a 32nd of the sample at most,
/// or by 8.
#[must_use]
pub const fn encode_a(sample: i16) -> u8 {
    // Negative samples are mirrored about -0.5, so that both signs have as many steps.
    let (sign, magnitude) = if sample < 0 {
        (0, !(sample as i32))
    } else {
        (SIGN, sample as i32)
    };
    let segment = match magnitude.leading_zeros() {
        zeros if zeros < 24 => 24 - zeros,
        _ => 0,
    };
    let shift = if segment > 1 { segment + 3 } else { 4 };
    let step = (magnitude >> shift) & 0x0f;
    (sign | (segment as u8) << 4 | step as u8) ^ A_INVERTED
}

/// The linear sample of an A-law byte: -32,256 to 32,256, never 0.
#[must_use]
pub const fn decode_a(byte: u8) -> i16 {
    let byte = byte ^ A_INVERTED;
    let segment = (byte >> 4) & 0x07;
    let step = ((byte & 0x0f) as i32) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    signed(byte & SIGN == 0, magnitude)
}

/// The A-law byte for the sound of a mu-law byte, by a table made when this is compiled.
#[must_use]
pub const fn mu_to_a(byte: u8) -> u8 {
    MU_TO_A[byte as usize]
}

static MU_TO_A: [u8; 256] = mu_to_a_table();

const fn mu_to_a_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = encode_a(decode_mu(byte as u8));
        byte += 1;
    }
    table
}

const fn signed(negative: bool, magnitude: i32) -> i16 {
    (if negative { -magnitude } else { magnitude }) as i16
}
