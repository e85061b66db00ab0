//! An RTP stream as its receiver hears it: gaps in the sequence and jitter (RFC 3550 appendices A.1
//! and A.8).
//!
//! The packet threads hear by [`Reception::hear`], the program at the device by the same steps in
//! C; a flow that changes over takes what was heard along.
//!
//! While a flow is at the device, packets of it may still come to its thread: those that were under
//! way when it was settled, and those that the device passes up. The device misses them. So the
//! thread keeps its own reception as [lent](Reception::lent), which counts them, and when it gets
//! the device's [back](Reception::back) they are missing no more.

use core::mem::offset_of;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Highest clock of RTP timestamps, in Hz.
pub const MAX_CLOCK_HZ: u32 = 1_000_000;

/// Bytes of an RTP header without extensions (RFC 3550 section 5.1).
pub const RTP_HEAD_BYTES: usize = 12;
/// RFC 3550 appendix A.1: further ahead, or further behind, it is another stream.
const MAX_DROPOUT: i16 = 3000;
const MAX_MISORDER: i16 = 100;
/// A clock that was set anew counts as some minutes, so that the sum stays small.
const MAX_TRANSIT: u32 = 1 << 24;

/// Values of [`Reception::heard`]: there was a packet, and another listener has it for now.
const HERE: u16 = 1;
const LENT: u16 = 2;

/// What has been heard of a stream. The program at the device has the same fields in this order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reception {
    /// When a packet was last taken for the jitter, in ns of whichever clock; 0 before the first.
    arrival: u64,
    /// As on the wire.
    ssrc: u32,
    missing: u32,
    late: u32,
    /// Times 16.
    jitter: u32,
    /// Of the packet last taken for the jitter; of one that is lent, packets that came meanwhile.
    timestamp: u32,
    next: u16,
    /// 0 before the first packet.
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

    /// Packets that the sequence numbers say there were, and that had not come when a later one did.
    /// Those that came in the end are in [`Reception::late`] too.
    #[must_use]
    pub fn missing(&self) -> u32 {
        // What came beside a lent one may have been taken off before it is missed.
        match self.missing.cast_signed() {
            ..0 => 0,
            missing => missing.unsigned_abs(),
        }
    }

    /// Packets that came after one with a higher number, or twice.
    #[must_use]
    pub fn late(&self) -> u32 {
        self.late
    }

    /// Packets that have not come: those expected less those received, as RFC 3550 section 6.4.1
    /// has it, by which a packet that came twice makes up for one that did not come; not below 0.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.missing().saturating_sub(self.late)
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1), in timestamp units.
    #[must_use]
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The same as time, at a clock of timestamps in Hz; `None` if that is 0, not known.
    #[must_use]
    pub fn jitter_at(&self, clock_hz: u32) -> Option<Duration> {
        let ns = (u64::from(self.jitter) * 62_500_000).checked_div(u64::from(clock_hz))?;
        Some(Duration::from_nanos(ns))
    }

    /// Takes a packet in, which [`is_rtp`], at a time in ns. Of those packets whose number has none
    /// of the bits of `jitter_mask` the jitter is taken, if there are `ticks` ([`ticks`]).
    #[inline]
    pub fn hear(&mut self, rtp: &[u8], now: u64, ticks: u32, jitter_mask: u16) {
        let [_, _, s0, s1, t0, t1, t2, t3, a, b, c, d, ..] = *rtp else {
            return;
        };
        let sequence = u16::from_be_bytes([s0, s1]);
        let ssrc = u32::from_ne_bytes([a, b, c, d]);
        // The distance on the circle of numbers.
        let ahead = sequence.wrapping_sub(self.next).cast_signed();
        let is_other = self.heard != HERE || ssrc != self.ssrc;
        if is_other || !(-MAX_MISORDER..=MAX_DROPOUT).contains(&ahead) {
            if self.heard == LENT {
                self.timestamp = self.timestamp.wrapping_add(1);
                return;
            }
            self.heard = HERE;
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
        if ticks != 0 && sequence & jitter_mask == 0 {
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

    /// The same as the timestamps' clock becomes another: the jitter begins anew.
    #[must_use]
    pub fn at_another_rate(mut self) -> Reception {
        if self.heard != LENT {
            self.arrival = 0;
        }
        self.jitter = 0;
        self
    }

    /// What is kept here while another listener has it: what was heard so far, and from now on a
    /// count of the packets that come here all the same.
    #[must_use]
    pub fn lent(mut self) -> Reception {
        self.heard = LENT;
        self.timestamp = 0;
        self
    }

    /// What was heard in all, as far as the other listener has `heard` on from what was lent to it.
    /// Exact, but for packets that came here in the moment in which a stream began or jumped there.
    #[must_use]
    pub fn back(&self, heard: Reception) -> Reception {
        let beside = match self.heard {
            LENT => self.timestamp,
            _ => 0,
        };
        Reception {
            missing: heard.missing.wrapping_sub(beside),
            ..heard
        }
        .for_another_clock()
    }

    /// The same when the other listener is gone with what it has heard: a stream begins anew.
    #[must_use]
    pub fn forsaken(mut self) -> Reception {
        if self.heard == LENT {
            self.heard = 0;
        }
        self
    }

    /// As words, to be kept in atomic ones.
    #[inline]
    #[must_use]
    pub fn to_words(&self) -> [u64; 4] {
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let next = u32::from(self.next) | u32::from(self.heard) << 16;
        [
            self.arrival,
            both(self.ssrc, self.missing),
            both(self.late, self.jitter),
            both(self.timestamp, next),
        ]
    }

    /// From [`Reception::to_words`].
    #[inline]
    #[must_use]
    pub fn from_words([arrival, a, b, c]: [u64; 4]) -> Reception {
        // Each takes the lower half of what is left.
        let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
        Reception {
            arrival,
            ssrc: low(a),
            missing: high(a),
            late: low(b),
            jitter: high(b),
            timestamp: low(c),
            next: high(c) as u16,
            heard: (high(c) >> 16) as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        assert_eq!((heard.missing(), heard.late(), heard.lost()), (2, 2, 0));
        // Another stream begins anew, and so does one that jumps.
        for (sequence, ssrc) in [(40_000, 8), (40_001, 8), (10_000, 8), (10_001, 8)] {
            heard.hear(&packet(sequence, 0, ssrc), 0, 0, 0);
        }
        assert_eq!((heard.missing(), heard.late()), (2, 2));
        assert_eq!(Reception::from_words(heard.to_words()), heard);
    }

    #[test]
    fn packets_that_come_beside_another_listener_are_not_missing() {
        let hear = |heard: &mut Reception, sequences: &[u16]| {
            for sequence in sequences {
                heard.hear(&packet(*sequence, 0, 7), 5, 9, 0);
            }
        };
        let mut here = Reception::default();
        hear(&mut here, &[1, 2, 4]);
        let (mut there, mut kept) = (here.for_another_clock(), here.lent());
        // Under way when it was lent, and passed up later: even before it is missed there.
        hear(&mut kept, &[5, 6, 9]);
        assert_eq!(kept.back(there).missing(), 0, "not below 0");
        hear(&mut there, &[7, 8, 10, 13, 12]);
        assert_eq!((kept.missing(), there.missing()), (1, 6));
        let mut back = kept.back(there);
        assert_eq!((back.missing(), back.late(), back.lost()), (3, 1, 2));
        hear(&mut back, &[14, 16]);
        assert_eq!((back.missing(), back.late()), (4, 1));
        let mut alone = kept.forsaken();
        hear(&mut alone, &[90, 92]);
        assert_eq!((alone.missing(), back.forsaken()), (2, back));
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
        let time = heard.jitter_at(8000).unwrap().as_micros();
        assert!((9_375..=10_000).contains(&time), "{time} µs");
        assert_eq!(heard.jitter_at(0), None);
        assert_eq!(heard.at_another_rate().jitter(), 0);
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
