//! How many packets are due: an even rate, in small bursts, without making up for long lateness.

/// A sending rate over time. Times are nanoseconds of the run's clock.
#[derive(Clone, Copy, Debug)]
pub(in crate::packets) struct Pace {
    per_second: u64,
    burst: u64,
    start: u64,
    /// Packets that were due so far: sent, or given up.
    done: u64,
}

/// Lateness beyond this, in nanoseconds, is given up: sending it all at once would overrun
/// every buffer on the way, and say nothing about the relay.
const FORGIVEN_NS: u64 = 20_000_000;

impl Pace {
    /// That many packets a second from `start` on, so many at once.
    pub fn new(per_second: u64, burst: u32, start: u64) -> Self {
        Self {
            per_second,
            burst: u64::from(burst.max(1)),
            start,
            done: 0,
        }
    }

    /// How many packets to send now, and how many to give up.
    pub fn due(&mut self, now: u64) -> (u64, u64) {
        let due = self.count(now.saturating_sub(self.start)) / self.burst * self.burst;
        let late = due.saturating_sub(self.done);
        let given_up = late.saturating_sub(self.count(FORGIVEN_NS).max(self.burst));
        self.done += late;
        (late - given_up, given_up)
    }

    /// When the next packet is due.
    pub fn next(&self) -> u64 {
        let ns =
            u128::from(self.done + self.burst) * 1_000_000_000 / u128::from(self.per_second.max(1));
        self.start
            .saturating_add(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    fn count(&self, ns: u64) -> u64 {
        let count = u128::from(ns) * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_rate_is_kept() {
        let mut pace = Pace::new(1000, 1, 500);
        assert_eq!(pace.due(0), (0, 0));
        assert_eq!(pace.next(), 1_000_500);
        assert_eq!(pace.due(1_000_499), (0, 0));
        assert_eq!(pace.due(1_000_500), (1, 0));
        assert_eq!(pace.due(11_000_500), (10, 0));
        assert_eq!(pace.next(), 12_000_500);
    }

    #[test]
    fn long_lateness_is_given_up() {
        let mut pace = Pace::new(1000, 1, 0);
        assert_eq!(pace.due(1_000_000_000), (20, 980));
        assert_eq!(pace.due(1_001_000_000), (1, 0));
        let mut slow = Pace::new(1, 1, 0);
        assert_eq!(slow.due(5_000_000_000), (1, 4));
    }

    #[test]
    fn bursts_leave_at_once() {
        let mut pace = Pace::new(1000, 8, 0);
        assert_eq!(pace.due(7_999_999), (0, 0));
        assert_eq!(pace.next(), 8_000_000);
        assert_eq!(pace.due(9_000_000), (8, 0));
        assert_eq!(pace.next(), 16_000_000);
        let mut rare = Pace::new(10, 8, 0);
        assert_eq!(rare.due(800_000_000), (8, 0));
    }
}
