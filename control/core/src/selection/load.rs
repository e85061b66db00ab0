//! How occupied an agent was of late.

use crate::limits::OCCUPANCY_FADES;
use core::time::Duration;

/// What an agent does, as far as its occupancy is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Work {
    /// Not at work, or not ready for any: that time does not count.
    #[default]
    Away,
    /// Free.
    Idle,
    /// Rung, in a call, or in wrap-up.
    Busy,
}

/// The part of its working time in which an agent was busy, each moment weighted by how long ago
/// it was: after [`OCCUPANCY_FADES`] of work it counts 1/e.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// From 0 to 1, at `since`.
    level: f64,
    since: Duration,
    work: Work,
}

impl Load {
    pub fn work(&self) -> Work {
        self.work
    }

    pub fn turn(&mut self, work: Work, now: Duration) {
        *self = Self {
            level: self.at(now),
            since: now,
            work,
        };
    }

    /// From 0 to 1.
    pub fn at(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.since).as_secs_f64();
        let left = (-passed / OCCUPANCY_FADES.as_secs_f64()).exp();
        match self.work {
            Work::Away => self.level,
            Work::Idle => self.level * left,
            Work::Busy => 1.0 - (1.0 - self.level) * left,
        }
    }

    /// A number by which idle agents compare as by their occupancies, whenever that is: those of
    /// all fade alike, so that the logarithms keep their distance.
    pub fn key(&self) -> f64 {
        self.level.ln() + self.since.as_secs_f64() / OCCUPANCY_FADES.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn work_counts_rest_fades_and_absence_leaves_it() {
        let mut load = Load::default();
        load.turn(Work::Busy, minutes(5));
        assert!((load.at(minutes(65)) - 0.632).abs() < 0.001);
        load.turn(Work::Away, minutes(65));
        assert!((load.at(minutes(600)) - 0.632).abs() < 0.001);
        load.turn(Work::Idle, minutes(600));
        assert!((load.at(minutes(660)) - 0.2325).abs() < 0.001);
    }

    #[test]
    fn the_key_orders_idle_agents_as_their_loads_do_at_any_time() {
        let mut early = Load::default();
        early.turn(Work::Busy, minutes(0));
        early.turn(Work::Idle, minutes(30));
        let mut late = Load::default();
        late.turn(Work::Busy, minutes(40));
        late.turn(Work::Idle, minutes(50));
        let mut fresh = Load::default();
        fresh.turn(Work::Idle, minutes(55));
        for later in [60, 100, 1_000] {
            let at = |load: &Load| load.at(minutes(later));
            assert_eq!(at(&late) < at(&early), late.key() < early.key());
            assert!(fresh.key() < late.key());
        }
    }
}
