//! The time as an argument, on every clock that is needed.

use std::time::{Duration, Instant};

use patchbay_core::Now;

/// One instant, read once and handed to everything that it concerns.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// For the transaction layer's timers.
    pub at: Instant,
    /// For the distributor: since the node's start, and Unix time.
    pub now: Now,
}

impl Moment {
    /// The moment `at`, with `start` as the zero of the distributor's clock.
    #[must_use]
    pub fn new(start: Instant, at: Instant, unix_ms: u64) -> Moment {
        Moment {
            at,
            now: Now {
                mono: at.saturating_duration_since(start),
                unix_ms,
            },
        }
    }

    /// Unix time in milliseconds.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.now.unix_ms
    }

    /// The instant at which Unix time is `unix_ms` if the wall clock is not set meanwhile.
    #[must_use]
    pub fn at_unix_ms(&self, unix_ms: u64) -> Instant {
        self.at + Duration::from_millis(unix_ms.saturating_sub(self.now.unix_ms))
    }
}
