//! The packets: RTP with a payload that says which flow, which place and when, and a pattern.

/// RTP header without contributors or extension (RFC 3550 section 5.1).
const HEADER_BYTES: usize = 12;
/// Flow (4), place (8) and time (8) at the payload's start.
pub(super) const STAMP_BYTES: usize = 20;
/// Version 2, no padding, extension or contributors.
const FIRST_BYTE: u8 = 0x80;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The flow's number.
    pub flow: u32,
    /// The packet's place in it, from 0.
    pub place: u64,
    /// When it was sent, in nanoseconds of the run's clock.
    pub sent: u64,
}

/// A packet that is filled anew for each sending.
#[derive(Clone, Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Media samples that one packet stands for.
    step: u32,
}

impl Template {
    /// A packet with that many bytes of payload; at least [`STAMP_BYTES`].
    pub fn new(payload_bytes: usize, step: u32) -> Self {
        let len = HEADER_BYTES + payload_bytes.max(STAMP_BYTES);
        let mut bytes: Vec<u8> = (0..len).map(pattern).collect();
        bytes[0] = FIRST_BYTE;
        bytes[1] = 0;
        Self { bytes, step }
    }

    /// The packet with that stamp.
    pub fn fill(&mut self, stamp: &Stamp) -> &[u8] {
        let timestamp = (stamp.place as u32).wrapping_mul(self.step);
        self.bytes[2..4].copy_from_slice(&(stamp.place as u16).to_be_bytes());
        self.bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
        self.bytes[8..12].copy_from_slice(&stamp.flow.to_be_bytes());
        self.bytes[12..16].copy_from_slice(&stamp.flow.to_be_bytes());
        self.bytes[16..24].copy_from_slice(&stamp.place.to_be_bytes());
        self.bytes[24..32].copy_from_slice(&stamp.sent.to_be_bytes());
        &self.bytes
    }

    /// The stamp of a packet that is this one but for its stamp; `None` if it differs.
    pub fn check(&self, bytes: &[u8]) -> Option<Stamp> {
        let body = HEADER_BYTES + STAMP_BYTES;
        if bytes.len() != self.bytes.len()
            || bytes[..2] != self.bytes[..2]
            || bytes[body..] != self.bytes[body..]
        {
            return None;
        }
        let flow = u32::from_be_bytes(*bytes[12..].first_chunk()?);
        let place = u64::from_be_bytes(*bytes[16..].first_chunk()?);
        let sent = u64::from_be_bytes(*bytes[24..].first_chunk()?);
        let timestamp = (place as u32).wrapping_mul(self.step);
        let header_agrees = bytes[2..4] == (place as u16).to_be_bytes()
            && bytes[4..8] == timestamp.to_be_bytes()
            && bytes[8..12] == flow.to_be_bytes();
        header_agrees.then_some(Stamp { flow, place, sent })
    }
}

fn pattern(index: usize) -> u8 {
    (index as u8).wrapping_mul(31).wrapping_add(7)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_packet_says_what_was_put_in() {
        let stamp = Stamp {
            flow: 77,
            place: 70_000,
            sent: u64::MAX - 5,
        };
        let mut template = Template::new(160, 160);
        let bytes = template.fill(&stamp).to_vec();
        assert_eq!(bytes.len(), 172);
        assert_eq!(Template::new(160, 160).check(&bytes), Some(stamp));
        assert_eq!(Template::new(161, 160).check(&bytes), None);
        for changed in [0, 1, 2, 5, 9, 13, 40, 171] {
            let mut bytes = bytes.clone();
            bytes[changed] ^= 1;
            assert_eq!(template.check(&bytes), None, "byte {changed}");
        }
        assert_eq!(template.check(&bytes[..171]), None);
        assert_eq!(template.check(&[]), None);
    }
}
