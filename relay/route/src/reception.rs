//! An RTP stream as its receiver hears it: gaps in the sequence and jitter (RFC 3550 appendices A.1
//! and A.8).
//!
//! The packet threads hear by [`Reception::hear`], the program at the device by the same steps in
//! C; a flow that changes over takes what was heard along.

use core::mem::offset_of;

/// Highest clock of RTP timestamps, in Hz.
pub const MAX_CLOCK_HZ: u32 = 1_000_000;

/// Bytes of an RTP header without extensions (RFC 3550 section 5.1).
pub const RTP_HEAD_BYTES: usize = 12;
/// RFC 3550 appendix A.1: further ahead, or further behind, it is another stream.
const MAX_DROPOUT: i16 = 3000;
const MAX_MISORDER: i16 = 100;
/// A clock that was set anew counts as some minutes, so that the sum stays small.
const MAX_TRANSIT: u32 = 1 << 24;

/// What has been heard of a stream. The program at the device has the same fields in this order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// When a packet was last taken for the jitter, in ns of whichever clock; 0 before the first.
    arrival: u64,
    /// As on the wire.
    ssrc: u32,
    /// Packets that the sequence numbers say there were, and that had not come by then. Those that
    /// came later are in `late` too.
    pub missing: u32,
    /// Packets that came after one with a higher number, or twice.
    pub late: u32,
    /// Times 16.
    jitter: u32,
    timestamp: u32,
    next: u16,
    /// 1 once there was a packet.
    heard: u16,
}

/// Media clock ticks in 2^32 ns; 0 if the clock is not known. `clock_hz` counts up to
/// [`MAX_CLOCK_HZ`].
#[must_use]
pub fn ticks(clock_hz: u32) -> u32 {
    let clock_hz = clock_hz.min(MAX_CLOCK_HZ);
    // Below 2^32 by the limit of the clock.
    ((u64::from(clock_hz) << 32) / 1_000_000_000) as u32
}

/// Whether a payload begins like RTP, and not like RTCP on a shared port (RFC 5761 section 4).
#[must_use]
pub fn is_rtp(payload: &[u8]) -> bool {
    match payload {
        [first, second, ..] if payload.len() >= RTP_HEAD_BYTES => {
            first >> 6 == 2 && !(192..=223).contains(second)
        }
        _ => false,
    }
}

impl Reception {
    /// Places of some fields, for the test that compares them with the program's.
    pub(crate) const OFFSETS: [usize; 4] = [
        offset_of!(Reception, ssrc),
        offset_of!(Reception, missing),
        offset_of!(Reception, jitter),
        offset_of!(Reception, next),
    ];

    /// Interarrival jitter (RFC 3550 section 6.4.1), in timestamp units.
    #[must_use]
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Takes a packet in, which [`is_rtp`], at a time in ns. Of those packets whose number has none
    /// of the bits of `jitter_mask` the jitter is taken.
    pub fn hear(&mut self, rtp: &[u8], now: u64, ticks: u32, jitter_mask: u16) {
        let [_, _, s0, s1, t0, t1, t2, t3, a, b, c, d, ..] = *rtp else {
            return;
        };
        let sequence = u16::from_be_bytes([s0, s1]);
        let ssrc = u32::from_ne_bytes([a, b, c, d]);
        // The distance on the circle of numbers.
        let ahead = sequence.wrapping_sub(self.next).cast_signed();
        let is_other = self.heard == 0 || ssrc != self.ssrc;
        if is_other || !(-MAX_MISORDER..=MAX_DROPOUT).contains(&ahead) {
            self.heard = 1;
            self.ssrc = ssrc;
            self.next = sequence.wrapping_add(1);
            self.jitter = 0;
            self.arrival = 0;
        } else if ahead < 0 {
            self.late = self.late.wrapping_add(1);
        } else {
            self.missing = self.missing.wrapping_add(u32::from(ahead.unsigned_abs()));
            self.next = sequence.wrapping_add(1);
        }
        if sequence & jitter_mask == 0 {
            self.hear_jitter(u32::from_be_bytes([t0, t1, t2, t3]), now, ticks);
        }
    }

    fn hear_jitter(&mut self, timestamp: u32, now: u64, ticks: u32) {
        if self.arrival != 0 {
            let gone = now
                .wrapping_sub(self.arrival)
                .wrapping_mul(u64::from(ticks))
                >> 32;
            // Both wrap, and so does their difference.
            let late = (gone as u32).wrapping_sub(timestamp.wrapping_sub(self.timestamp));
            let d = late.cast_signed().unsigned_abs().min(MAX_TRANSIT);
            let decay = self.jitter.wrapping_add(8) >> 4;
            self.jitter = self.jitter.wrapping_add(d).wrapping_sub(decay);
        }
        self.timestamp = timestamp;
        self.arrival = now;
    }

    /// The same as another listener takes it over, whose clock is another.
    #[must_use]
    pub fn for_another_clock(mut self) -> Reception {
        self.arrival = 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, ssrc: u32) -> [u8; RTP_HEAD_BYTES] {
        let ([s0, s1], [t0, t1, t2, t3]) = (sequence.to_be_bytes(), timestamp.to_be_bytes());
        let [a, b, c, d] = ssrc.to_be_bytes();
        [0x80, 0, s0, s1, t0, t1, t2, t3, a, b, c, d]
    }

    #[test]
    fn gaps_and_late_packets_are_counted_over_the_end_of_the_numbers() {
        let mut heard = Reception::default();
        for sequence in [65_534, 65_535, 0, 1, 4, 3, 4, 5] {
            heard.hear(&packet(sequence, 0, 7), 0, 0, 0);
        }
        assert_eq!((heard.missing, heard.late), (2, 2));
        // Another stream begins anew, and so does one that jumps.
        for (sequence, ssrc) in [(40_000, 8), (40_001, 8), (10_000, 8), (10_001, 8)] {
            heard.hear(&packet(sequence, 0, ssrc), 0, 0, 0);
        }
        assert_eq!((heard.missing, heard.late), (2, 2));
    }

    #[test]
    fn jitter_follows_the_difference_of_the_clocks() {
        let (mut heard, ticks) = (Reception::default(), ticks(8000));
        // On time: 20 ms and 160 ticks apart.
        for n in 0..100_u32 {
            let now = 1 + u64::from(n) * 20_000_000;
            heard.hear(&packet(n as u16, n * 160, 7), now, ticks, 0);
        }
        assert!(heard.jitter() <= 1);
        // Every second packet 10 ms late: 80 ticks, up and down.
        for n in 100..400_u32 {
            let late = u64::from(n % 2) * 10_000_000;
            let now = 1 + u64::from(n) * 20_000_000 + late;
            heard.hear(&packet(n as u16, n * 160, 7), now, ticks, 0);
        }
        assert!((75..=80).contains(&heard.jitter()), "{}", heard.jitter());
        // A clock set anew moves it by a bounded step, and a new listener keeps what was heard.
        heard.hear(&packet(400, u32::MAX / 2, 7), 9_000_000_000, ticks, 0);
        assert!(heard.jitter() <= 80 + (MAX_TRANSIT >> 4));
        let taken = heard.for_another_clock();
        assert_eq!(taken.jitter(), heard.jitter());
    }

    #[test]
    fn what_is_not_rtp_is_told_apart() {
        assert!(is_rtp(&packet(1, 2, 3)));
        let mut report = packet(1, 2, 3);
        report[1] = 200;
        assert!(!is_rtp(&report));
        assert!(!is_rtp(&packet(1, 2, 3)[..11]));
        assert!(!is_rtp(&[0; 20]) && !is_rtp(&[]));
    }
}
