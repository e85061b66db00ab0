//! Keys that a caller presses, from telephone events (RFC 4733 section 2.3).

/// The keys by their event codes (RFC 4733 section 3.2).
const KEYS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

/// The fixed part of an RTP header, bytes (RFC 3550 section 5.1).
const HEADER: usize = 12;

/// How late a packet may come, in samples at 8 kHz: 2 s.
const LATEST: u32 = 16_000;

/// Tells one key from the packets that say so: each is told by many.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The RTP timestamp of the last one: all packets of a key have the same.
    last: Option<u32>,
}

impl Keys {
    /// Takes an RTP packet. The key that begins with it, if one does.
    pub fn take(&mut self, packet: &[u8], events: u8) -> Option<char> {
        let (first, second) = (packet.first()?, packet.get(1)?);
        if first >> 6 != 2 || second & 0x7f != events {
            return None;
        }
        let timestamp = packet.get(4..8)?.try_into().ok().map(u32::from_be_bytes)?;
        let code = *packet.get(payload_at(packet)?)?;
        let key = *KEYS.get(usize::from(code))?;
        // One that comes late is of a key that is known; one of long before is of a clock set anew.
        let known = self
            .last
            .is_some_and(|last| last.wrapping_sub(timestamp) <= LATEST);
        if known {
            return None;
        }
        self.last = Some(timestamp);
        Some(key)
    }
}

/// Where the payload begins, behind the contributing sources and an extension.
fn payload_at(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let sources = HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 == 0 {
        return Some(sources);
    }
    let words = packet.get(sources + 2..sources + 4)?.try_into().ok()?;
    Some(sources + 4 + 4 * usize::from(u16::from_be_bytes(words)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn event(timestamp: u32, code: u8, end: bool) -> Vec<u8> {
        let mut packet = vec![0x80, 101, 0, 1];
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 9, code, u8::from(end) << 7, 0, 160]);
        packet
    }

    // RFC 4733 section 2.5.1.2: the timestamp stays, and the end is said three times.
    #[test]
    fn a_key_is_told_once_however_often_its_packets_come() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(&event(800, 1, false), 101), Some('1'));
        for end in [false, true, true, true] {
            assert_eq!(keys.take(&event(800, 1, end), 101), None);
        }
        assert_eq!(keys.take(&event(2400, 1, false), 101), Some('1'));
        assert_eq!(keys.take(&event(800, 1, true), 101), None);
        assert_eq!(keys.take(&event(4000, 11, true), 101), Some('#'));
        assert_eq!(keys.take(&event(8000, 16, true), 101), None);
        assert_eq!(keys.take(&event(90_000, 1, true), 101), Some('1'));
        assert_eq!(keys.take(&event(4000, 2, true), 101), Some('2'));
    }

    #[test]
    fn timestamps_go_around() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(&event(u32::MAX - 5, 2, false), 101), Some('2'));
        assert_eq!(keys.take(&event(100, 3, false), 101), Some('3'));
        assert_eq!(keys.take(&event(u32::MAX - 5, 2, true), 101), None);
    }

    #[test]
    fn sources_and_extensions_are_skipped_and_audio_is_no_key() {
        let mut packet = event(800, 5, false);
        packet[0] |= 0x11;
        let behind = [0, 0, 0, 1, 0xbe, 0xde, 0, 1, 7, 7, 7, 7];
        packet.splice(12..12, behind);
        assert_eq!(Keys::default().take(&packet, 101), Some('5'));
        assert_eq!(Keys::default().take(&packet, 96), None);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_hurts(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            let events = packet.get(1).map_or(0, |byte| byte & 0x7f);
            let _ = Keys::default().take(&packet, events);
        }
    }
}
