//! The engine's clock: nanoseconds, the same for all its threads.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// What the clock shows at the engine's start: a pair that was handed over has been silent since
/// before, and that is no longer than the longest `hold_timeout`.
const LEAD: Duration = Duration::from_secs(24 * 3600);

/// A monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// The same in nanoseconds of `CLOCK_MONOTONIC`.
    start_monotonic: u64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
            start_monotonic: monotonic_ns(),
        }
    }

    /// Nanoseconds; never 0, which can mean "never".
    pub fn now(&self) -> u64 {
        nanos(self.start.elapsed() + LEAD)
    }

    /// A time of the kernel's monotonic clock; at least 1.
    pub fn of_monotonic(&self, ns: u64) -> u64 {
        let shown = ns.saturating_add(nanos(LEAD));
        shown.saturating_sub(self.start_monotonic).max(1)
    }

    /// How long the engine has been running.
    pub fn running(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A length of time in nanoseconds, at most [`u64::MAX`].
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds of the kernel's clock `CLOCK_MONOTONIC`.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + nanos
}

/// Nanoseconds of the system's wall clock, by which the kernel stamps datagrams.
pub fn wall_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
