//! How long datagrams wait in a socket: what waits in the kernel is seen by nobody else.
//!
//! A socket that always has a next datagram may be far behind or just well used. So while there always
//! is one, the socket now and then sends a datagram to itself, behind all that wait: the time until
//! that is read is the time that a message waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Fewer datagrams in a row are a burst, or the machine had stopped meanwhile.
const LEAST_DATAGRAMS: u64 = 256;
/// A socket is not asked more often.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// A datagram to itself that is not read for so long found no room; another one is sent.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// What such a datagram begins with: two bits that STUN never has, and no letter.
const PROBE_TAG: u8 = 0xc1;
/// Its bytes: the tag, the secret, and when it was sent.
const PROBE_BYTES: usize = 25;

/// Kept by the task that reads a socket, read by the signalling task. Times are microseconds from
/// `began`.
#[derive(Debug)]
pub struct Busy {
    began: Instant,
    /// Until the socket was no longer empty; 0 while it is.
    since: AtomicU64,
    /// Datagrams read since then.
    read: AtomicU64,
    /// Until the first datagram to itself was sent that has not been read; 0: there is none.
    asked: AtomicU64,
    /// Until the last one was sent.
    sent: AtomicU64,
    /// For how long the last one that was read had waited.
    waited: AtomicU64,
    /// Nobody else knows these, so that nobody else sends them.
    secret: [u8; 16],
}

impl Busy {
    /// The socket is empty. `secret` is random.
    pub fn new(now: Instant, secret: [u8; 16]) -> Busy {
        Busy {
            began: now,
            since: AtomicU64::new(0),
            read: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            secret,
        }
    }

    /// The reader has found nothing more.
    pub fn is_empty(&self) {
        if self.since.load(Ordering::Relaxed) != 0 {
            self.since.store(0, Ordering::Relaxed);
            self.asked.store(0, Ordering::Relaxed);
            self.waited.store(0, Ordering::Relaxed);
        }
    }

    /// The reader has found a datagram.
    pub fn has_read(&self, now: impl FnOnce() -> Instant) {
        if self.since.load(Ordering::Relaxed) != 0 {
            self.read.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.read.store(1, Ordering::Relaxed);
        self.since.store(self.at(now()), Ordering::Relaxed);
    }

    /// Whether that datagram is one that the socket has sent to itself; then it is nobody else's.
    pub fn is_probe(&self, datagram: &[u8], now: impl FnOnce() -> Instant) -> bool {
        let Some((head, sent)) = datagram.split_last_chunk() else {
            return false;
        };
        if datagram.len() != PROBE_BYTES || !self.begins_probe(head) {
            return false;
        }
        let waited = self.at(now()).saturating_sub(u64::from_be_bytes(*sent));
        self.waited.store(waited, Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
        true
    }

    /// What the socket is to send to itself at this time, if anything.
    pub fn ask(&self, now: Instant) -> Option<Vec<u8>> {
        if self.full_for(now) < ASK_EVERY {
            return None;
        }
        let (at, sent) = (self.at(now), self.sent.load(Ordering::Relaxed));
        let under_way = self.asked.load(Ordering::Relaxed) != 0;
        let pause = if under_way { LOST_AFTER } else { ASK_EVERY };
        if sent != 0 && at < sent.saturating_add(us(pause)) {
            return None;
        }
        if !under_way {
            self.asked.store(at, Ordering::Relaxed);
        }
        self.sent.store(at, Ordering::Relaxed);
        Some([&[PROBE_TAG][..], &self.secret, &at.to_be_bytes()].concat())
    }

    /// How long a datagram waits; nothing while the socket is empty every now and then.
    pub fn wait(&self, now: Instant) -> Duration {
        let under_way = match self.asked.load(Ordering::Relaxed) {
            0 => 0,
            asked => self.at(now).saturating_sub(asked),
        };
        // The next one has waited for less at first, and those before it no less.
        Duration::from_micros(under_way.max(self.waited.load(Ordering::Relaxed)))
    }

    /// How long there has always been a next datagram; nothing for a short row of them.
    fn full_for(&self, now: Instant) -> Duration {
        let since = self.since.load(Ordering::Relaxed);
        if since == 0 || self.read.load(Ordering::Relaxed) < LEAST_DATAGRAMS {
            return Duration::ZERO;
        }
        Duration::from_micros(self.at(now).saturating_sub(since))
    }

    /// Never 0.
    fn at(&self, now: Instant) -> u64 {
        us(now.saturating_duration_since(self.began)).max(1)
    }

    fn begins_probe(&self, head: &[u8]) -> bool {
        head.split_first() == Some((&PROBE_TAG, &self.secret))
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    struct Socket {
        start: Instant,
        busy: Busy,
    }

    impl Socket {
        fn new() -> Socket {
            let start = Instant::now();
            let busy = Busy::new(start, [7; 16]);
            Socket { start, busy }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// So many datagrams are read one after the other at this time.
        fn reads(&self, count: u64, ms: u64) {
            for _ in 0..count {
                self.busy.has_read(|| self.at(ms));
            }
        }

        fn wait_ms(&self, ms: u64) -> u128 {
            self.busy.wait(self.at(ms)).as_millis()
        }
    }

    #[test]
    fn a_burst_asks_nothing() {
        let socket = Socket::new();
        socket.reads(LEAST_DATAGRAMS - 1, 10);
        assert_eq!(socket.busy.ask(socket.at(500)), None);
        socket.reads(1, 11);
        assert!(socket.busy.ask(socket.at(500)).is_some());
        socket.busy.is_empty();
        socket.reads(1, 600);
        assert_eq!(socket.busy.ask(socket.at(900)), None, "it counts anew");
    }

    #[test]
    fn the_wait_is_that_of_a_datagram_to_itself() {
        let socket = Socket::new();
        socket.reads(LEAST_DATAGRAMS, 10);
        assert_eq!(socket.wait_ms(20), 0);
        let probe = socket.busy.ask(socket.at(40)).unwrap();
        assert_eq!(probe.len(), PROBE_BYTES);
        assert_eq!(socket.busy.ask(socket.at(100)), None, "one at a time");
        assert_eq!(socket.wait_ms(160), 120, "so long at least");
        let read = |bytes: &[u8], ms| socket.busy.is_probe(bytes, || socket.at(ms));
        assert!(!read(b"OPTIONS sip:a@b SIP/2.0\r\n", 165));
        assert!(!read(&[PROBE_TAG; PROBE_BYTES], 165), "of somebody else");
        assert!(!read(&probe[1..], 165));
        assert!(read(&probe, 170));
        assert_eq!(socket.wait_ms(180), 130);
        let next = socket.busy.ask(socket.at(180)).unwrap();
        assert_eq!(socket.wait_ms(181), 130, "until more is known");
        assert_eq!(socket.wait_ms(330), 150);
        assert!(read(&next, 340));
        assert_eq!(socket.wait_ms(350), 160);
        socket.busy.is_empty();
        assert_eq!(socket.wait_ms(400), 0);
    }

    #[test]
    fn one_that_found_no_room_is_sent_again_once_a_second() {
        let socket = Socket::new();
        socket.reads(LEAST_DATAGRAMS, 10);
        assert!(socket.busy.ask(socket.at(100)).is_some());
        assert_eq!(socket.busy.ask(socket.at(1099)), None);
        let again = socket.busy.ask(socket.at(1100)).unwrap();
        assert_eq!(socket.busy.ask(socket.at(1101)), None);
        assert_eq!(socket.wait_ms(1200), 1100, "as long as nothing is read");
        assert!(socket.busy.is_probe(&again, || socket.at(1250)));
        assert_eq!(socket.wait_ms(1250), 150, "its own wait");
    }
}
