//! The listening half of a call: every packet is compared, octet by octet, with what the other
//! side said, and whatever is missing, late, twice or not meant for us is counted.

use serde::Serialize;

use super::rtp::{self, RtpHeader};
use super::talk::Talker;

/// Packets back from the newest one for which it is remembered whether they came.
const WINDOW: u32 = 1024;
const WORDS: usize = WINDOW as usize / 64;

/// What a listener counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeardCounts {
    /// Different packets of the other side that arrived, undamaged or not.
    pub received: u64,
    /// Arrived again.
    pub duplicated: u64,
    /// Arrived after a packet that was sent later.
    pub reordered: u64,
    /// Arrived with a payload, payload type or timestamp other than was sent.
    pub corrupted: u64,
    /// Not of this call: another stream, a packet that was never sent, or no RTP at all.
    pub foreign: u64,
    /// Came more than 1024 packets late, so that nobody knows if it is a duplicate.
    pub stale: u64,
    /// Came from an address other than the one that signalling named.
    pub wrong_source: u64,
}

impl HeardCounts {
    /// Adds another listener's counts.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.foreign += other.foreign;
        self.stale += other.stale;
        self.wrong_source += other.wrong_source;
    }
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// New and exact; the time it took, if it is known.
    Exact { latency_ns: Option<u64> },
    /// New, and not what was sent.
    Corrupted,
    /// Seen before.
    Duplicate,
    /// Too old to tell.
    Stale,
    /// Never sent by the other side.
    Foreign,
}

/// What one side has heard of one talker.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    counts: HeardCounts,
    /// Number of the newest packet, and which of the [`WINDOW`] before it came.
    newest: Option<u32>,
    seen: [u64; WORDS],
    /// Interarrival jitter of RFC 3550 section 6.4.1, in sixteenths of a sample, and the last
    /// transit time in samples.
    jitter: u64,
    transit: Option<i64>,
    /// Counted at the last report: packets sent, packets received.
    reported: (u64, u64),
}

impl Listener {
    /// The counts so far.
    pub const fn counts(&self) -> HeardCounts {
        self.counts
    }

    /// Something arrived that is not of the call's other side.
    pub const fn foreign(&mut self) {
        self.counts.foreign += 1;
    }

    /// It came from somewhere else than signalling said.
    pub const fn wrong_source(&mut self) {
        self.counts.wrong_source += 1;
    }

    /// Jitter in samples, highest packet number, and the shares that a report block needs:
    /// (fraction lost in 1/256 since the last report, lost in all).
    pub fn report(&mut self) -> (u32, u32, u8, u32) {
        let expected = self.newest.map_or(0, |newest| u64::from(newest) + 1);
        let received = self.counts.received;
        let (expected_then, received_then) = self.reported;
        self.reported = (expected, received);
        let fresh = expected - expected_then;
        let missing = fresh.saturating_sub(received - received_then);
        let fraction = (missing * 256).checked_div(fresh).unwrap_or(0).min(255);
        let lost = expected.saturating_sub(received);
        let newest = self.newest.unwrap_or(0);
        (
            (self.jitter / 16) as u32,
            newest,
            fraction as u8,
            lost as u32,
        )
    }

    /// Checks one packet of the call's other side.
    pub fn hear(
        &mut self,
        header: &RtpHeader,
        payload: &[u8],
        talker: &Talker,
        now_ns: u64,
    ) -> Heard {
        let near = self.newest.unwrap_or(0);
        let Some(number) = talker.number_of(header.sequence, near) else {
            self.counts.foreign += 1;
            return Heard::Foreign;
        };
        match self.place(number) {
            Place::New => {}
            Place::Again => {
                self.counts.duplicated += 1;
                return Heard::Duplicate;
            }
            Place::TooOld => {
                self.counts.stale += 1;
                return Heard::Stale;
            }
        }
        self.counts.received += 1;
        let expected = talker.expected(number);
        let timestamp_fits = expected
            .departure
            .is_none_or(|(sent, _)| sent == header.timestamp);
        let law_fits = rtp::law_of(header) == Some(expected.law);
        if payload != expected.frame || !timestamp_fits || !law_fits {
            self.counts.corrupted += 1;
            return Heard::Corrupted;
        }
        let latency_ns = expected
            .departure
            .map(|(_, sent_ns)| now_ns.saturating_sub(sent_ns));
        self.note_arrival(header.timestamp, now_ns);
        Heard::Exact { latency_ns }
    }

    fn note_arrival(&mut self, timestamp: u32, now_ns: u64) {
        // 8 samples a millisecond; the RTP clock wraps, so only differences count.
        let arrival = (now_ns / 125_000) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if let Some(last) = self.transit.replace(transit) {
            let change = (transit - last).unsigned_abs();
            self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    /// Takes a packet's number into the window.
    fn place(&mut self, number: u32) -> Place {
        let Some(newest) = self.newest else {
            self.newest = Some(number);
            self.mark(number);
            return Place::New;
        };
        if number > newest {
            for skipped in newest + 1..=number.min(newest.saturating_add(WINDOW)) {
                self.clear(skipped);
            }
            self.newest = Some(number);
            self.mark(number);
            return Place::New;
        }
        if newest - number >= WINDOW {
            return Place::TooOld;
        }
        if self.mark(number) {
            return Place::Again;
        }
        self.counts.reordered += 1;
        Place::New
    }

    /// Marks a number as seen; tells whether it was.
    fn mark(&mut self, number: u32) -> bool {
        let (word, bit) = slot(number);
        let Some(word) = self.seen.get_mut(word) else {
            return false;
        };
        let was = *word & bit != 0;
        *word |= bit;
        was
    }

    fn clear(&mut self, number: u32) {
        let (word, bit) = slot(number);
        if let Some(word) = self.seen.get_mut(word) {
            *word &= !bit;
        }
    }
}

enum Place {
    New,
    Again,
    TooOld,
}

const fn slot(number: u32) -> (usize, u64) {
    let place = number % WINDOW;
    ((place / 64) as usize, 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::g711::Law;
    use super::super::rtp::{RTP_PACKET, read_rtp};
    use super::*;

    /// A talker that has said `count` packets, one each millisecond, and the packets.
    fn said(count: u64) -> (Talker, Vec<[u8; RTP_PACKET]>) {
        let mut talker = Talker::new(0xabcd, Law::Mu, 0x1234_fff0);
        let mut packets = Vec::new();
        for moment in 0..count {
            packets.push(talker.packet());
            talker.departed(moment * 1_000_000);
        }
        (talker, packets)
    }

    fn hear(listener: &mut Listener, talker: &Talker, packet: &[u8], now_ns: u64) -> Heard {
        let (header, payload) = read_rtp(packet).unwrap();
        listener.hear(&header, payload, talker, now_ns)
    }

    #[test]
    fn every_packet_in_order_is_exact_and_its_latency_known() {
        let (talker, packets) = said(40); // the sequence number wraps at the sixteenth
        let mut listener = Listener::default();
        for (moment, packet) in packets.iter().enumerate() {
            let now = moment as u64 * 1_000_000 + 250_000;
            let heard = hear(&mut listener, &talker, packet, now);
            assert_eq!(
                heard,
                Heard::Exact {
                    latency_ns: Some(250_000)
                }
            );
        }
        let expected = HeardCounts {
            received: 40,
            ..HeardCounts::default()
        };
        assert_eq!(listener.counts(), expected);
    }

    #[test]
    fn loss_duplicates_and_reordering_are_told_apart() {
        let (talker, packets) = said(100);
        let mut listener = Listener::default();
        let order = (0..100).filter(|n| *n != 50).map(|n| match n {
            10 => 11,
            11 => 10,
            other => other,
        });
        for n in order.chain([70, 70]) {
            hear(&mut listener, &talker, &packets[n], 0);
        }
        let counts = listener.counts();
        assert_eq!(
            (counts.received, counts.reordered, counts.duplicated),
            (99, 1, 2)
        );
        let (_, newest, fraction, lost) = listener.report();
        assert_eq!((newest, fraction, lost), (99, 2, 1));
        assert_eq!(listener.report().2, 0, "nothing was lost since");
    }

    #[test]
    fn one_changed_octet_is_corruption_wherever_it_is() {
        let (talker, packets) = said(200);
        let mut listener = Listener::default();
        for (n, packet) in packets.iter().enumerate() {
            let mut packet = *packet;
            packet[12 + n % 160] ^= 1 << (n % 8);
            assert_eq!(hear(&mut listener, &talker, &packet, 0), Heard::Corrupted);
        }
        assert_eq!(listener.counts().corrupted, 200);
    }

    #[test]
    fn a_changed_timestamp_or_payload_type_is_corruption() {
        let (talker, packets) = said(2);
        let mut listener = Listener::default();
        let mut wrong_time = packets[0];
        wrong_time[7] ^= 1;
        let mut wrong_law = packets[1];
        wrong_law[1] = 8;
        assert_eq!(
            hear(&mut listener, &talker, &wrong_time, 0),
            Heard::Corrupted
        );
        assert_eq!(
            hear(&mut listener, &talker, &wrong_law, 0),
            Heard::Corrupted
        );
    }

    #[test]
    fn a_packet_in_the_place_of_another_is_corruption() {
        let (talker, packets) = said(3);
        let mut listener = Listener::default();
        let mut forged = packets[2];
        forged[2..4].copy_from_slice(&packets[1][2..4]);
        assert_eq!(hear(&mut listener, &talker, &forged, 0), Heard::Corrupted);
    }

    #[test]
    fn a_packet_that_was_never_sent_is_foreign() {
        let (talker, packets) = said(3);
        let mut listener = Listener::default();
        let mut later = packets[2];
        later[3] = later[3].wrapping_add(1);
        assert_eq!(hear(&mut listener, &talker, &later, 0), Heard::Foreign);
    }

    #[test]
    fn a_packet_from_long_ago_is_stale() {
        let (talker, packets) = said(2_000);
        let mut listener = Listener::default();
        hear(&mut listener, &talker, &packets[1_999], 0);
        assert_eq!(hear(&mut listener, &talker, &packets[900], 0), Heard::Stale);
        assert!(matches!(
            hear(&mut listener, &talker, &packets[1_000], 0),
            Heard::Exact { .. }
        ));
        assert_eq!(
            hear(&mut listener, &talker, &packets[1_000], 0),
            Heard::Duplicate
        );
    }

    #[test]
    fn a_silence_moves_the_clock_but_not_the_count() {
        let mut talker = Talker::new(1, Law::A, 0);
        talker.departed(0);
        talker.silent();
        talker.silent();
        let packet = talker.packet();
        let (header, _) = read_rtp(&packet).unwrap();
        assert_eq!(
            (header.sequence, header.timestamp, header.marker),
            (1, 480, true)
        );
        talker.departed(0);
        let mut listener = Listener::default();
        assert!(matches!(
            hear(&mut listener, &talker, &packet, 0),
            Heard::Exact { .. }
        ));
    }
}
