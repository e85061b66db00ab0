//! When a packet thread that died is started again, and when that is given up.

use std::time::{Duration, Instant};

/// Restarts of one packet thread within [`RESTART_PERIOD`]; after the last one it stays dead: what
/// comes back each time is not cured by starting again.
pub const MAX_RESTARTS: usize = 5;

/// The period of [`MAX_RESTARTS`].
pub const RESTART_PERIOD: Duration = Duration::from_secs(3600);

/// Time from a thread's death until its first restart, unless another is configured. It doubles with each restart of the
/// period: 0.25 s, 0.5 s, 1 s, 2 s, 4 s.
pub const FIRST_RESTART_AFTER: Duration = Duration::from_millis(250);

/// The restarts of one packet thread.
#[derive(Debug)]
pub struct Restarts {
    first_after: Duration,
    /// The latest ones, oldest first; as many as count, with `None` before the first.
    recent: [Option<Instant>; MAX_RESTARTS],
    total: u64,
}

impl Restarts {
    /// None yet; the first comes so long after a death.
    pub fn new(first_after: Duration) -> Restarts {
        Restarts {
            first_after,
            recent: [None; MAX_RESTARTS],
            total: 0,
        }
    }

    /// When a thread that died now is to be started again; `None` if it has to stay dead.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let counting = |at: &&Option<Instant>| {
            at.is_some_and(|at| now.saturating_duration_since(at) < RESTART_PERIOD)
        };
        let so_far = self.recent.iter().filter(counting).count();
        let doublings = u32::try_from(so_far).unwrap_or(u32::MAX);
        (so_far < MAX_RESTARTS).then(|| now + self.first_after * 2_u32.pow(doublings))
    }

    /// A restart was tried.
    pub fn tried(&mut self, now: Instant) {
        self.recent.rotate_left(1);
        if let Some(last) = self.recent.last_mut() {
            *last = Some(now);
        }
        self.total += 1;
    }

    /// Restarts tried since the engine began.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: Duration = Duration::from_secs(4);

    fn delay(restarts: &Restarts, now: Instant) -> Option<Duration> {
        restarts.next(now).map(|at| at - now)
    }

    #[test]
    fn each_restart_of_a_period_waits_twice_as_long_until_there_are_no_more() {
        let mut now = Instant::now();
        let mut restarts = Restarts::new(FIRST_RESTART_AFTER);
        let mut waited = Vec::new();
        while let Some(wait) = delay(&restarts, now) {
            waited.push(wait);
            now += wait;
            restarts.tried(now);
        }
        assert_eq!(waited.len(), MAX_RESTARTS);
        assert_eq!(waited.first(), Some(&FIRST_RESTART_AFTER));
        assert!(waited.windows(2).all(|two| two[1] == two[0] * 2));
        assert_eq!(waited.last(), Some(&LAST));
        assert_eq!(restarts.total(), MAX_RESTARTS as u64);
    }

    #[test]
    fn restarts_of_an_earlier_period_do_not_count() {
        let start = Instant::now();
        let mut restarts = Restarts::new(FIRST_RESTART_AFTER);
        for second in 0..MAX_RESTARTS as u64 {
            restarts.tried(start + Duration::from_secs(second));
        }
        assert_eq!(delay(&restarts, start + LAST), None);
        let when_the_first_is_over = start + RESTART_PERIOD;
        assert_eq!(delay(&restarts, when_the_first_is_over), Some(LAST));
        let later = start + RESTART_PERIOD * 2;
        assert_eq!(delay(&restarts, later), Some(FIRST_RESTART_AFTER));
        assert_eq!(restarts.total(), MAX_RESTARTS as u64);
    }
}
