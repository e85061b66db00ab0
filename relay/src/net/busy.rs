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
pub const ASK_EVERY: Duration = Duration::from_millis(20);
/// A datagram to itself that is not read for so long found no room; another one is sent.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// Bytes of a datagram to itself; less than any SIP, and no STUN.
pub const PROBE_BYTES: usize = 17;
/// What it begins with: two bits that STUN never has, and no letter.
const PROBE_TAG: u8 = 0xc1;

/// Kept by the task that reads a socket, read by the signalling task.
#[derive(Debug)]
pub struct Busy {
    began: Instant,
    /// Microseconds from `began` until the socket was no longer empty; 0 while it is.
    since: AtomicU64,
    /// Datagrams read since then.
    read: AtomicU64,
    /// Microseconds from `began` until the last datagram to itself was sent; 0: none has been.
    asked: AtomicU64,
    /// Whether that one was read, and then the microseconds that it has waited, and one.
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
        let since = self.us(now()).max(1);
        self.read.store(1, Ordering::Relaxed);
        self.since.store(since, Ordering::Relaxed);
    }

    /// Whether that datagram is the one that the socket has sent to itself; then it is nobody else's.
    pub fn is_probe(&self, datagram: &[u8], now: impl FnOnce() -> Instant) -> bool {
        if datagram.len() != PROBE_BYTES || *datagram != self.probe() {
            return false;
        }
        let asked = self.asked.load(Ordering::Relaxed);
        if asked != 0 {
            let waited = self.us(now()).saturating_sub(asked);
            self.waited.store(waited + 1, Ordering::Relaxed);
        }
        true
    }

    /// What the socket is to send to itself at this time, if anything.
    pub fn ask(&self, now: Instant) -> Option<[u8; PROBE_BYTES]> {
        if self.full_for(now) < ASK_EVERY {
            return None;
        }
        let (at, asked) = (self.us(now), self.asked.load(Ordering::Relaxed));
        let under_way = asked != 0 && self.waited.load(Ordering::Relaxed) == 0;
        let pause = if under_way { LOST_AFTER } else { ASK_EVERY };
        if asked != 0 && at < asked.saturating_add(us(pause)) {
            return None;
        }
        // One that found no room has waited for longer than that: what is known of the wait stays.
        if !under_way {
            self.waited.store(0, Ordering::Relaxed);
            self.asked.store(at.max(1), Ordering::Relaxed);
        }
        Some(self.probe())
    }

    /// How long a datagram waits; nothing while the socket is empty every now and then.
    pub fn wait(&self, now: Instant) -> Duration {
        let (asked, waited) = (
            self.asked.load(Ordering::Relaxed),
            self.waited.load(Ordering::Relaxed),
        );
        match (asked, waited) {
            (0, _) => Duration::ZERO,
            (asked, 0) => Duration::from_micros(self.us(now).saturating_sub(asked)),
            (_, waited) => Duration::from_micros(waited - 1),
        }
    }

    /// How long there has always been a next datagram; nothing for a short row of them.
    fn full_for(&self, now: Instant) -> Duration {
        let since = self.since.load(Ordering::Relaxed);
        if since == 0 || self.read.load(Ordering::Relaxed) < LEAST_DATAGRAMS {
            return Duration::ZERO;
        }
        Duration::from_micros(self.us(now).saturating_sub(since))
    }

    fn us(&self, at: Instant) -> u64 {
        us(at.saturating_duration_since(self.began))
    }

    fn probe(&self) -> [u8; PROBE_BYTES] {
        let mut probe = [PROBE_TAG; PROBE_BYTES];
        for (to, from) in probe.iter_mut().skip(1).zip(self.secret) {
            *to = from;
        }
        probe
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
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
        let probe = socket.busy.ask(socket.at(40));
        assert!(probe.is_some());
        assert_eq!(socket.busy.ask(socket.at(100)), None, "one at a time");
        assert_eq!(socket.wait_ms(160), 120, "so long at least");
        let read = |bytes: &[u8], ms| socket.busy.is_probe(bytes, || socket.at(ms));
        assert!(!read(b"SIP/2.0 200 OK\r\n\r", 165));
        assert!(probe.is_some_and(|probe| read(&probe, 170)));
        assert_eq!(socket.wait_ms(180), 130);
        assert!(socket.busy.ask(socket.at(180)).is_some(), "and again");
        assert_eq!(socket.wait_ms(181), 1);
        socket.busy.is_empty();
        assert_eq!(socket.wait_ms(400), 0);
    }

    #[test]
    fn one_that_found_no_room_is_sent_again_and_its_wait_goes_on() {
        let socket = Socket::new();
        socket.reads(LEAST_DATAGRAMS, 10);
        assert!(socket.busy.ask(socket.at(100)).is_some());
        assert_eq!(socket.busy.ask(socket.at(1000)), None);
        assert!(socket.busy.ask(socket.at(1100)).is_some());
        assert_eq!(socket.wait_ms(1200), 1100);
    }
}
