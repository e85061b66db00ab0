//! The talking half of a call: which RTP packet comes next, and, for whoever checks it, what packet
//! `n` was and when it left.

use super::g711::{FRAME_SAMPLES, Law};
use super::rtp::{RTP_PACKET, RtpHeader, write_rtp};
use super::voice::{Frame, Voice};

/// Packets whose moment of sending is remembered: 5.12 s of speech. A power of two.
pub(crate) const REMEMBERED: usize = 256;

/// When a packet left and what its header said.
#[derive(Clone, Copy, Debug, Default)]
struct Departure {
    sent_ns: u64,
    timestamp: u32,
}

/// What a listener must find in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The payload, octet by octet.
    pub frame: Frame,
    /// The law and so the payload type.
    pub law: Law,
    /// Timestamp and moment of sending, while they are remembered.
    pub departure: Option<(u32, u64)>,
}

/// One stream that is being spoken.
#[derive(Debug)]
pub(crate) struct Talker {
    ssrc: u32,
    voice: Voice,
    first_sequence: u16,
    first_timestamp: u32,
    /// Packets sent, which is also the number of the next one.
    sent: u32,
    /// Frames that passed in silence; the RTP clock goes on during them.
    silent_frames: u32,
    resumed: bool,
    departures: Vec<Departure>,
}

impl Talker {
    /// A stream with this SSRC; `start` gives the first sequence number and timestamp, which
    /// RFC 3550 section 5.1 wants random.
    pub fn new(ssrc: u32, law: Law, start: u64) -> Self {
        Self {
            ssrc,
            voice: Voice::new(ssrc, law),
            first_sequence: start as u16,
            first_timestamp: (start >> 16) as u32,
            sent: 0,
            silent_frames: 0,
            resumed: true,
            departures: vec![Departure::default(); REMEMBERED],
        }
    }

    /// Changes the law from the next packet on. Packets sent before with another law can no longer
    /// be checked, so this is for before the first packet; later calls change nothing.
    pub fn choose(&mut self, law: Law) {
        if self.sent == 0 {
            self.voice = Voice::new(self.ssrc, law);
        }
    }

    /// Packets sent so far.
    pub const fn sent(&self) -> u32 {
        self.sent
    }

    /// The RTP timestamp of the next packet.
    pub const fn timestamp(&self) -> u32 {
        let frames = self.sent.wrapping_add(self.silent_frames);
        self.first_timestamp
            .wrapping_add(frames.wrapping_mul(FRAME_SAMPLES as u32))
    }

    /// The next packet. It counts as sent only after [`Talker::departed`].
    pub fn packet(&self) -> [u8; RTP_PACKET] {
        let header = RtpHeader {
            marker: self.resumed,
            payload_type: self.voice.law().payload_type(),
            sequence: self.first_sequence.wrapping_add(self.sent as u16),
            timestamp: self.timestamp(),
            ssrc: self.ssrc,
        };
        write_rtp(header, &self.voice.frame(self.sent))
    }

    /// The packet left at this moment.
    pub fn departed(&mut self, sent_ns: u64) {
        let timestamp = self.timestamp();
        let slot = self.sent as usize % REMEMBERED;
        if let Some(departure) = self.departures.get_mut(slot) {
            *departure = Departure { sent_ns, timestamp };
        }
        self.sent = self.sent.wrapping_add(1);
        self.resumed = false;
    }

    /// 20 ms pass without a packet (on hold).
    pub fn silent(&mut self) {
        self.silent_frames = self.silent_frames.wrapping_add(1);
        self.resumed = true;
    }

    /// The stream is over: what only serves latency is given back.
    pub fn forget_departures(&mut self) {
        self.departures = Vec::new();
    }

    /// The number of the packet with this sequence number that is nearest to packet `near`; `None`
    /// if no such packet was sent.
    pub fn number_of(&self, sequence: u16, near: u32) -> Option<u32> {
        let expected = self.first_sequence.wrapping_add(near as u16);
        let distance = i64::from(sequence.wrapping_sub(expected) as i16);
        let number = u32::try_from(i64::from(near) + distance).ok()?;
        (number < self.sent).then_some(number)
    }

    /// What packet `number` was.
    pub fn expected(&self, number: u32) -> Expected {
        let remembered = self.sent.wrapping_sub(number) as usize <= REMEMBERED;
        let slot = self.departures.get(number as usize % REMEMBERED);
        let departure = slot
            .filter(|_| remembered)
            .map(|d| (d.timestamp, d.sent_ns));
        Expected {
            frame: self.voice.frame(number),
            law: self.voice.law(),
            departure,
        }
    }
}
