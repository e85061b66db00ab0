//! RTP and RTCP packets as the phones send and read them (RFC 3550, RFC 3551).

use super::g711::{FRAME_SAMPLES, Law};

/// Bytes of a fixed RTP header without contributing sources.
pub const RTP_HEADER: usize = 12;
/// Bytes of one RTP packet of a phone: header and 20 ms of G.711.
pub const RTP_PACKET: usize = RTP_HEADER + FRAME_SAMPLES;
/// Seconds between 1900 (NTP) and 1970 (Unix).
const NTP_OFFSET_S: u64 = 2_208_988_800;
/// RTCP packet types, RFC 3550 section 12.1.
const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;

/// The fields of an RTP header that a phone looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Set on the first packet after a silence.
    pub marker: bool,
    /// 0 is PCMU, 8 is PCMA.
    pub payload_type: u8,
    /// Counts packets, modulo 2^16.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Who speaks.
    pub ssrc: u32,
}

/// Writes one packet: header and frame.
#[must_use]
pub fn write_rtp(header: RtpHeader, payload: &[u8; FRAME_SAMPLES]) -> [u8; RTP_PACKET] {
    let mut packet = [0_u8; RTP_PACKET];
    let (head, body) = packet.split_at_mut(RTP_HEADER);
    let marker = if header.marker { 0x80 } else { 0 };
    let [s0, s1] = header.sequence.to_be_bytes();
    let [t0, t1, t2, t3] = header.timestamp.to_be_bytes();
    let [r0, r1, r2, r3] = header.ssrc.to_be_bytes();
    let kind = marker | (header.payload_type & 0x7f);
    head.copy_from_slice(&[0x80, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3]);
    body.copy_from_slice(payload);
    packet
}

/// Reads a packet: its header, and its payload without CSRCs, extension and padding. `None` if it
/// is not RTP version 2 or is cut short.
#[must_use]
pub fn read_rtp(packet: &[u8]) -> Option<(RtpHeader, &[u8])> {
    let [b0, b1, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3, rest @ ..] = packet else {
        return None;
    };
    if b0 >> 6 != 2 {
        return None;
    }
    let mut payload = rest.get(usize::from(b0 & 0x0f) * 4..)?;
    if b0 & 0x10 != 0 {
        let [_, _, l0, l1, after @ ..] = payload else {
            return None;
        };
        payload = after.get(usize::from(u16::from_be_bytes([*l0, *l1])) * 4..)?;
    }
    if b0 & 0x20 != 0 {
        let padding = usize::from(*payload.last()?);
        payload = payload.get(..payload.len().checked_sub(padding)?)?;
    }
    let header = RtpHeader {
        marker: b1 & 0x80 != 0,
        payload_type: b1 & 0x7f,
        sequence: u16::from_be_bytes([*s0, *s1]),
        timestamp: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
        ssrc: u32::from_be_bytes([*r0, *r1, *r2, *r3]),
    };
    Some((header, payload))
}

/// The law and the payload of a packet, if the payload type is one of G.711's.
#[must_use]
pub fn law_of(header: &RtpHeader) -> Option<Law> {
    Law::from_payload_type(header.payload_type)
}

/// What a sender says about itself and about what it hears (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SenderReport {
    /// Who speaks.
    pub ssrc: u32,
    /// The moment of the report as an NTP timestamp (seconds since 1900, 32.32 bits).
    pub ntp: u64,
    /// The same moment on the RTP clock.
    pub timestamp: u32,
    /// RTP packets sent since the start.
    pub packets: u32,
    /// Payload bytes sent since the start.
    pub octets: u32,
    /// What it hears of the other side, once it hears something.
    pub block: Option<ReportBlock>,
}

/// What a receiver says about one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// Whose packets this is about.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start (24 bits).
    pub lost: u32,
    /// Highest sequence number, with the count of its wraps above it.
    pub highest: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP timestamp; 0 if none came.
    pub last_report: u32,
    /// Time since that report, in 1/65536 s.
    pub delay: u32,
}

/// Unix time in nanoseconds as an NTP timestamp.
#[must_use]
pub const fn ntp_from_unix(unix_ns: u64) -> u64 {
    let seconds = unix_ns / 1_000_000_000 + NTP_OFFSET_S;
    let fraction = ((unix_ns % 1_000_000_000) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

/// Writes a compound packet: the sender report, then the source's CNAME, as RFC 3550 section 6.1
/// wants every compound packet to be. `cname` is cut at 200 bytes.
#[must_use]
pub fn write_report(report: &SenderReport, cname: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let (count, words) = if report.block.is_some() {
        (1, 12_u16)
    } else {
        (0, 6)
    };
    out.extend([0x80 | count, SENDER_REPORT]);
    out.extend(words.to_be_bytes());
    out.extend(report.ssrc.to_be_bytes());
    out.extend(report.ntp.to_be_bytes());
    out.extend(report.timestamp.to_be_bytes());
    out.extend(report.packets.to_be_bytes());
    out.extend(report.octets.to_be_bytes());
    if let Some(block) = report.block {
        out.extend(block.ssrc.to_be_bytes());
        let loss = (u32::from(block.fraction_lost) << 24) | block.lost.min(0x7f_ffff);
        out.extend(loss.to_be_bytes());
        out.extend(block.highest.to_be_bytes());
        out.extend(block.jitter.to_be_bytes());
        out.extend(block.last_report.to_be_bytes());
        out.extend(block.delay.to_be_bytes());
    }
    write_cname(&mut out, report.ssrc, cname);
    out
}

fn write_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name: Vec<u8> = cname.bytes().take(200).collect();
    // SSRC, item type, item length, the name, and at least one zero that ends the list.
    let chunk = 4 + 2 + name.len() + 1;
    let words = chunk.div_ceil(4);
    out.extend([0x81, SOURCE_DESCRIPTION]);
    out.extend((words as u16).to_be_bytes());
    out.extend(ssrc.to_be_bytes());
    out.extend([1, name.len() as u8]);
    out.extend(&name);
    out.extend(std::iter::repeat_n(0, words * 4 - chunk + 1));
}

/// Reads the sender report at the start of a compound packet. `None` if there is none or if the
/// packet's lengths do not add up (RFC 3550 appendix A.2).
#[must_use]
pub fn read_report(packet: &[u8]) -> Option<SenderReport> {
    let mut rest = packet;
    while let [first, _, l0, l1, ..] = rest {
        let length = (usize::from(u16::from_be_bytes([*l0, *l1])) + 1) * 4;
        if first >> 6 != 2 {
            return None;
        }
        rest = rest.get(length..)?;
    }
    if !rest.is_empty() {
        return None;
    }
    let word = |index: usize| -> Option<u32> {
        let bytes = packet.get(index * 4..index * 4 + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let head = word(0)?.to_be_bytes();
    let [flags, SENDER_REPORT, ..] = head else {
        return None;
    };
    let block = if flags & 0x1f == 0 {
        None
    } else {
        read_block(&word)
    };
    Some(SenderReport {
        ssrc: word(1)?,
        ntp: (u64::from(word(2)?) << 32) | u64::from(word(3)?),
        timestamp: word(4)?,
        packets: word(5)?,
        octets: word(6)?,
        block,
    })
}

fn read_block(word: &impl Fn(usize) -> Option<u32>) -> Option<ReportBlock> {
    let loss = word(8)?;
    Some(ReportBlock {
        ssrc: word(7)?,
        fraction_lost: (loss >> 24) as u8,
        lost: loss & 0xff_ffff,
        highest: word(9)?,
        jitter: word(10)?,
        last_report: word(11)?,
        delay: word(12)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const HEADER: RtpHeader = RtpHeader {
        marker: true,
        payload_type: 8,
        sequence: 0xfffe,
        timestamp: 0x0102_0304,
        ssrc: 0xdead_beef,
    };

    #[test]
    fn a_packet_reads_as_it_was_written() {
        let packet = write_rtp(HEADER, &[0x5a; FRAME_SAMPLES]);
        let expected = [0x80, 0x88, 0xff, 0xfe, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef];
        assert_eq!(packet[..12], expected);
        assert_eq!(
            read_rtp(&packet).unwrap(),
            (HEADER, &[0x5a; FRAME_SAMPLES][..])
        );
        assert_eq!(law_of(&HEADER), Some(Law::A));
    }

    #[test]
    fn csrcs_extension_and_padding_are_not_payload() {
        let mut packet = vec![0xb1, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend([9; 4]); // one CSRC
        packet.extend([0xbe, 0xde, 0, 1, 7, 7, 7, 7]); // extension of one word
        packet.extend([1, 2, 3, 4, 5, 0, 0, 3]); // payload and three bytes of padding
        assert_eq!(read_rtp(&packet).unwrap().1, [1, 2, 3, 4, 5]);
        for length in 0..packet.len() {
            let _ = read_rtp(&packet[..length]);
        }
        packet[0] = 0x40;
        assert_eq!(read_rtp(&packet), None);
    }

    #[test]
    fn a_report_reads_as_it_was_written() {
        let block = ReportBlock {
            ssrc: 5,
            fraction_lost: 12,
            lost: 300,
            highest: 0x1_0007,
            jitter: 9,
            last_report: 0x1234_5678,
            delay: 65_536,
        };
        for block in [None, Some(block)] {
            let report = SenderReport {
                ssrc: 1,
                ntp: ntp_from_unix(1_500_000_000),
                timestamp: 160,
                packets: 2,
                octets: 320,
                block,
            };
            for cname in ["", "a", "ab", "abc", "anna@127.0.0.1"] {
                let bytes = write_report(&report, cname);
                assert_eq!(bytes.len() % 4, 0);
                assert_eq!(read_report(&bytes).unwrap(), report);
                for length in 0..bytes.len() {
                    let _ = read_report(&bytes[..length]);
                }
            }
        }
    }

    #[test]
    fn half_a_second_is_half_of_the_fraction() {
        assert_eq!(
            ntp_from_unix(500_000_000),
            (2_208_988_800 << 32) | 0x8000_0000
        );
    }
}
