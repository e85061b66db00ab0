//! The engine's clock: nanoseconds since its start, the same for all its threads.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// A monotonic clock that starts near zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// The same in nanoseconds of `CLOCK_MONOTONIC`.
    start_monotonic: u64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        Clock {
            start: Instant::now(),
            start_monotonic: seconds.saturating_mul(1_000_000_000) + nanos,
        }
    }

    /// Nanoseconds since the start; at least 1, so that 0 can mean "never".
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// A time of the kernel's monotonic clock; at least 1.
    pub fn of_monotonic(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.start_monotonic).max(1)
    }
}

/// Nanoseconds of the system's wall clock, by which the kernel stamps datagrams.
pub fn wall_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
