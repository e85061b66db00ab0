//! The packets, laid out as the XDP programs do (`bench/bpf/load.bpf.c`): RTP, or RTCP, with a
//! stamp that says which flow, which place and when, and a pattern that depends on these.

use crate::packets::vocabulary::{Kind, RTCP_EVERY};

/// RTP header without contributors or extension (RFC 3550 section 5.1).
const RTP_HEAD: usize = 12;
/// Sender report, SDES and the head of the APP packet that carries the stamp.
const RTCP_HEAD: usize = 56;
/// Magic and run (4), flow (4), place (8) and time (8).
pub(in crate::packets) const STAMP_BYTES: usize = 24;
/// Start of the stamp; the run's number is in its lower half.
const MAGIC: u32 = 0xB0A7_0000;
/// Payload type of video, a dynamic one; audio has 0, PCMU (RFC 3551 section 6).
const VIDEO_TYPE: u8 = 96;
/// RTCP packet types (RFC 3550 section 12.1).
const REPORTS: std::ops::RangeInclusive<u8> = 200..=204;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::packets) struct Stamp {
    /// The run's number.
    pub run: u16,
    /// The flow's number.
    pub flow: u32,
    /// The packet's place in it, from 0.
    pub place: u64,
    /// When it was sent, in nanoseconds of the run's clock.
    pub sent: u64,
}

/// What a flow's packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::packets) struct Form {
    /// What they carry.
    pub kind: Kind,
    /// Bytes of the whole packet.
    pub len: usize,
    /// Media clock from one packet to the next.
    pub step: u32,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::packets) enum Came {
    /// A packet with this stamp, whose form is still to be checked.
    Stamped(Stamp),
    /// The relay's own report.
    Foreign,
    /// Nothing of ours.
    Broken,
}

/// What a packet seems to be.
pub(in crate::packets) fn read(bytes: &[u8]) -> Came {
    let report = bytes.get(1).is_some_and(|kind| REPORTS.contains(kind));
    let stamp = bytes.get(if report { RTCP_HEAD } else { RTP_HEAD }..);
    match (stamp.and_then(Stamp::read), report) {
        (Some(stamp), _) => Came::Stamped(stamp),
        (None, true) => Came::Foreign,
        (None, false) => Came::Broken,
    }
}

impl Stamp {
    fn read(bytes: &[u8]) -> Option<Self> {
        let magic = u32::from_be_bytes(*bytes.first_chunk()?);
        (magic & 0xffff_0000 == MAGIC).then_some(())?;
        Some(Self {
            run: magic as u16,
            flow: u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?),
            place: u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
            sent: u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?),
        })
    }

    /// First word of the pattern.
    fn seed(&self) -> u64 {
        (u64::from(self.flow) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ self.place.wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
            ^ self.sent.wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }
}

impl Form {
    /// Writes the packet with that stamp.
    pub fn write(&self, stamp: &Stamp, into: &mut Vec<u8>) {
        into.clear();
        match self.kind {
            Kind::Rtcp => self.report(stamp, into),
            Kind::Audio | Kind::Video => self.header(stamp, into),
        }
        into.extend((MAGIC | u32::from(stamp.run)).to_be_bytes());
        into.extend(stamp.flow.to_be_bytes());
        into.extend(stamp.place.to_le_bytes());
        into.extend(stamp.sent.to_le_bytes());
        let mut word = stamp.seed();
        while into.len() + 8 <= self.len {
            into.extend(word.to_le_bytes());
            word = word.wrapping_add(0xA076_1D64_78BD_642F);
        }
        let rest = self.len.saturating_sub(into.len());
        into.extend(word.to_be_bytes().into_iter().take(rest));
    }

    /// Whether these bytes are the packet of this form with that stamp. Of a report only the
    /// stamp and what follows it count: relays may rewrite what they say about streams.
    pub fn whole(&self, stamp: &Stamp, bytes: &[u8], room: &mut Vec<u8>) -> bool {
        self.write(stamp, room);
        let from = if self.kind == Kind::Rtcp {
            RTCP_HEAD
        } else {
            0
        };
        bytes.len() == room.len() && bytes.get(from..) == room.get(from..)
    }

    fn header(&self, stamp: &Stamp, into: &mut Vec<u8>) {
        let video = if self.kind == Kind::Video {
            VIDEO_TYPE
        } else {
            0
        };
        let timestamp = (stamp.place as u32).wrapping_mul(self.step);
        into.extend([0x80, video]);
        into.extend((stamp.place as u16).to_be_bytes());
        into.extend(timestamp.to_be_bytes());
        into.extend(stamp.flow.to_be_bytes());
    }

    /// Sender report, SDES with CNAME `bench`, head of an APP packet `load` (RFC 3550 sections
    /// 6.4.1, 6.5 and 6.7).
    fn report(&self, stamp: &Stamp, into: &mut Vec<u8>) {
        let packets = (stamp.place as u32).wrapping_mul(RTCP_EVERY);
        let (seconds, nanos) = (stamp.sent / 1_000_000_000, stamp.sent % 1_000_000_000);
        for word in [
            0x80c8_0006,
            stamp.flow,
            seconds as u32,
            (nanos * 4294 / 1000) as u32,
            packets.wrapping_mul(self.step),
            packets,
            packets.wrapping_mul(160),
            0x81ca_0003,
            stamp.flow,
            0x0105_6265,
            0x6e63_6800,
            0x80cc_000a,
            stamp.flow,
            0x6c6f_6164,
        ] {
            into.extend(word.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        run: 9,
        flow: 77,
        place: 70_000,
        sent: 5_000_000_001,
    };

    fn form(kind: Kind, len: usize) -> Form {
        Form {
            kind,
            len,
            step: 160,
        }
    }

    #[test]
    fn a_packet_says_what_was_put_in() {
        let mut room = Vec::new();
        for form in [
            form(Kind::Audio, 172),
            form(Kind::Audio, 36),
            form(Kind::Video, 1115),
            form(Kind::Rtcp, 88),
        ] {
            let mut bytes = Vec::new();
            form.write(&STAMP, &mut bytes);
            assert_eq!(bytes.len(), form.len);
            assert_eq!(read(&bytes), Came::Stamped(STAMP));
            assert!(form.whole(&STAMP, &bytes, &mut room));
            let longer = Form {
                len: form.len + 1,
                ..form
            };
            assert!(!longer.whole(&STAMP, &bytes, &mut room));
            let first = if form.kind == Kind::Rtcp { 56 } else { 0 };
            for changed in first..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[changed] ^= 1;
                let whole = match read(&bytes) {
                    Came::Stamped(stamp) => stamp == STAMP && form.whole(&stamp, &bytes, &mut room),
                    _ => false,
                };
                assert!(!whole, "{form:?}: byte {changed}");
            }
        }
    }

    #[test]
    fn reports_of_others_are_told_from_broken_packets() {
        let mut report = vec![0; 88];
        report[..2].copy_from_slice(&[0x81, 201]);
        assert_eq!(read(&report), Came::Foreign);
        assert_eq!(read(&report[..8]), Came::Foreign);
        assert_eq!(read(&[]), Came::Broken);
        assert_eq!(read(&[0x80; 40]), Came::Broken);
    }

    #[test]
    fn reports_are_made_of_whole_packets() {
        let mut bytes = Vec::new();
        form(Kind::Rtcp, 88).write(&STAMP, &mut bytes);
        let (mut rest, mut kinds) = (bytes.as_slice(), Vec::new());
        while let [first, kind, high, low, ..] = rest {
            assert_eq!(first >> 6, 2);
            kinds.push(*kind);
            let words = usize::from(u16::from_be_bytes([*high, *low]));
            rest = &rest[4 * (words + 1)..];
        }
        assert_eq!(kinds, [200, 202, 204]);
        assert!(rest.is_empty());
    }
}
