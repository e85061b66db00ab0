//! A histogram of durations that one packet thread fills and anybody reads.
//!
//! Fixed buckets, 32 to each doubling, so that filling it allocates nothing and the error of a
//! value is below 2 %. Reading turns the buckets into an [`Histogram`].

use hdrhistogram::Histogram;

use super::cells::Cell;

/// Buckets to each doubling.
const STEPS: u64 = 32;
/// Values from here on, 68 s in nanoseconds, are counted as this.
const MAX_NS: u64 = (1 << 36) - 1;
/// Index of the last bucket, plus one.
const BUCKETS: usize = bucket(MAX_NS) + 1;

/// Durations in nanoseconds, with a single writer.
#[derive(Debug)]
pub struct TimeCells {
    buckets: Box<[Cell]>,
}

impl Default for TimeCells {
    fn default() -> TimeCells {
        TimeCells {
            buckets: (0..BUCKETS).map(|_| Cell::default()).collect(),
        }
    }
}

impl TimeCells {
    /// Counts a duration.
    pub fn record(&self, ns: u64) {
        if let Some(cell) = self.buckets.get(bucket(ns.min(MAX_NS))) {
            cell.add(1);
        }
    }

    /// Adds what was counted to `histogram`.
    pub fn read(&self, histogram: &mut Histogram<u64>) {
        for (index, cell) in self.buckets.iter().enumerate() {
            if cell.get() > 0 {
                histogram.saturating_record_n(middle(index), cell.get());
            }
        }
    }
}

/// An empty histogram that holds all values that can be counted, to two digits.
pub fn empty() -> Histogram<u64> {
    #[allow(clippy::expect_used)] // The arguments are constants within the documented bounds.
    Histogram::new_with_bounds(1, MAX_NS, 2).expect("constant bounds of a histogram")
}

const fn bucket(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let doubling = 63 - ns.leading_zeros() as u64 - STEPS.trailing_zeros() as u64;
    ((doubling + 1) * STEPS + ((ns >> doubling) & (STEPS - 1))) as usize
}

fn middle(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let doubling = index / STEPS - 1;
    ((STEPS + index % STEPS) << doubling) + ((1 << doubling) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_within_two_percent() {
        for ns in [0, 1, 31, 32, 33, 1_000, 4_321, 250_000, 1 << 30, MAX_NS] {
            let near = middle(bucket(ns));
            assert!(near.abs_diff(ns) * 50 <= ns, "{ns} became {near}");
        }
        let cells = TimeCells::default();
        for ns in [100, 200, 300, u64::MAX] {
            cells.record(ns);
        }
        let mut histogram = empty();
        cells.read(&mut histogram);
        assert_eq!(histogram.len(), 4);
        assert!(histogram.value_at_quantile(0.5).abs_diff(200) <= 6);
    }

    #[test]
    fn buckets_rise_with_the_value() {
        let mut last = 0;
        for ns in 1..100_000 {
            let at = bucket(ns);
            assert!(at == last || at == last + 1);
            last = at;
        }
    }
}
