//! The highest rate that a system carries cleanly.

/// The search ends when the highest clean and the lowest unclean rate are this close.
const CLOSE_ENOUGH: f64 = 1.05;
/// And after so many runs in any case.
const MAX_RUNS: usize = 20;
/// Highest rate that is tried, calls a second.
const CEILING: f64 = 20_000.0;
/// Lowest one.
const FLOOR: f64 = 20.0;

/// A search under way: ask [`Hunt::next`], run it, tell [`Hunt::found`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hunt {
    rate: f64,
    clean: Option<f64>,
    unclean: Option<f64>,
    /// The rate was not clean once; a stall of the machine is no limit of the system.
    second_chance: bool,
    runs: usize,
    over: bool,
}

impl Hunt {
    /// Begins at a rate.
    pub fn new(rate: f64) -> Self {
        Self {
            rate: rate.clamp(FLOOR, CEILING),
            clean: None,
            unclean: None,
            second_chance: false,
            runs: 0,
            over: false,
        }
    }

    /// The rate to try; `None` when the search is over.
    pub fn next(&self) -> Option<f64> {
        (!self.over).then_some(self.rate)
    }

    /// The highest clean rate so far.
    pub fn best(&self) -> Option<f64> {
        self.clean
    }

    /// How the run at [`Hunt::next`] was. `limited`: the dialler was the limit, so that higher rates
    /// say nothing.
    pub fn found(&mut self, clean: bool, limited: bool) {
        self.runs += 1;
        if !clean && !self.second_chance && !limited {
            self.second_chance = true;
            self.over = self.runs >= MAX_RUNS;
            return;
        }
        self.second_chance = false;
        if clean {
            self.clean = Some(self.rate);
        } else {
            self.unclean = Some(self.rate);
        }
        let next = match (self.clean, self.unclean) {
            (Some(clean), Some(unclean)) => {
                self.over = unclean / clean <= CLOSE_ENOUGH;
                f64::midpoint(clean, unclean)
            }
            (Some(clean), None) => clean * 1.5,
            (None, Some(unclean)) => unclean / 2.0,
            (None, None) => self.rate,
        };
        let outside = !(FLOOR..=CEILING).contains(&next);
        self.over |= self.runs >= MAX_RUNS || outside || clean && limited;
        self.rate = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hunts a system that carries so many calls a second.
    fn hunt(from: f64, limit: f64) -> (Option<f64>, usize) {
        let mut hunt = Hunt::new(from);
        while let Some(rate) = hunt.next() {
            hunt.found(rate <= limit, false);
        }
        (hunt.best(), hunt.runs)
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for (from, limit) in [(500.0, 1300.0), (1000.0, 90.0), (500.0, 4321.0)] {
            let (best, runs) = hunt(from, limit);
            let best = best.unwrap_or(0.0);
            assert!(best <= limit && best * 1.06 > limit, "{best} of {limit}");
            assert!(runs <= MAX_RUNS, "{runs}");
        }
        assert_eq!(hunt(500.0, 0.0).0, None);
        assert!(hunt(500.0, 1e9).0 > Some(10_000.0));
    }

    #[test]
    fn a_stall_gets_a_second_chance() {
        let mut hunt = Hunt::new(100.0);
        hunt.found(false, false);
        assert_eq!(hunt.next(), Some(100.0));
        hunt.found(true, false);
        assert_eq!((hunt.best(), hunt.next()), (Some(100.0), Some(150.0)));
    }

    #[test]
    fn a_dialler_at_its_limit_ends_the_search() {
        let mut hunt = Hunt::new(100.0);
        hunt.found(true, true);
        assert_eq!((hunt.best(), hunt.next()), (Some(100.0), None));
    }
}
