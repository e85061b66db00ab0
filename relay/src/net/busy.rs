//! How long a socket has not been empty: what waits in the kernel is seen by nobody else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Fewer datagrams in a row are a burst, or the machine had stopped meanwhile.
const LEAST_DATAGRAMS: u64 = 256;

/// Kept by the task that reads a socket, read by the signalling task.
#[derive(Debug)]
pub struct Busy {
    began: Instant,
    /// Microseconds from `began` until the socket was no longer empty; 0 while it is.
    since: AtomicU64,
    /// Datagrams read since then.
    read: AtomicU64,
}

impl Busy {
    /// The socket is empty.
    pub fn new(now: Instant) -> Busy {
        Busy {
            began: now,
            since: AtomicU64::new(0),
            read: AtomicU64::new(0),
        }
    }

    /// The reader has found nothing more.
    pub fn is_empty(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// The reader has found a datagram.
    pub fn has_read(&self, now: impl FnOnce() -> Instant) {
        if self.since.load(Ordering::Relaxed) != 0 {
            self.read.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let since = now().saturating_duration_since(self.began).as_micros();
        self.read.store(1, Ordering::Relaxed);
        let since = u64::try_from(since).unwrap_or(u64::MAX).max(1);
        self.since.store(since, Ordering::Relaxed);
    }

    /// How long there has always been a next datagram; nothing for a short row of them.
    pub fn time(&self, now: Instant) -> Duration {
        let since = self.since.load(Ordering::Relaxed);
        if since == 0 || self.read.load(Ordering::Relaxed) < LEAST_DATAGRAMS {
            return Duration::ZERO;
        }
        let passed = now.saturating_duration_since(self.began);
        passed.saturating_sub(Duration::from_micros(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_row_without_an_end_counts() {
        let start = Instant::now();
        let busy = Busy::new(start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        for _ in 1..LEAST_DATAGRAMS {
            busy.has_read(|| at(10));
        }
        assert_eq!(busy.time(at(500)), Duration::ZERO, "a burst");
        busy.has_read(|| at(20));
        assert_eq!(busy.time(at(500)), Duration::from_millis(490));
        busy.is_empty();
        assert_eq!(busy.time(at(500)), Duration::ZERO);
        busy.has_read(|| at(600));
        assert_eq!(busy.time(at(900)), Duration::ZERO, "it counts anew");
    }
}
