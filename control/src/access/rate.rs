//! Token buckets (in the sense of networks) by key, in bounded tables. Time is an argument: milliseconds of
//! any clock that does not go back.

use std::collections::HashMap;
use std::hash::Hash;

/// How much is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units a second, 1 at least.
    pub per_s: u32,
    /// Units at once, 1 at least.
    pub burst: u32,
}

/// How long what is taken too much may be a debt at most, in seconds.
pub const MAX_DEBT_S: u32 = 60;

/// What is left after something was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whole units.
    pub units: u64,
    /// Milliseconds until nothing is missing.
    pub full_in_ms: u64,
}

/// There is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Milliseconds until there is.
    pub ms: u64,
}

/// A table that forgets what was not looked up for longest when it is full: the entries of late are in one
/// half, those of before in the other, which is dropped whole.
#[derive(Debug)]
pub struct Recent<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// A table of `max` entries at most, 2 at least.
    #[must_use]
    pub fn new(max: usize) -> Recent<K, V> {
        Recent {
            half: (max / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// The entry of a key, made if it is not there.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let before = self.old.remove(&key);
        self.young
            .entry(key)
            .or_insert_with(|| before.unwrap_or_else(make))
    }

    /// Whether there is an entry.
    pub fn contains(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }
}

#[derive(Debug)]
struct Bucket {
    /// Thousandths of units; below zero is a debt.
    level: i64,
    /// When that was.
    at: u64,
}

/// Buckets of one rate.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    buckets: Recent<K, Bucket>,
}

impl<K: Hash + Eq> Buckets<K> {
    /// Full buckets, of which `max` are remembered; one that is forgotten is full again.
    #[must_use]
    pub fn new(rate: Rate, max: usize) -> Buckets<K> {
        let rate = Rate {
            per_s: rate.per_s.max(1),
            burst: rate.burst.max(1),
        };
        Buckets {
            rate,
            buckets: Recent::new(max),
        }
    }

    /// Takes units.
    ///
    /// # Errors
    /// [`Wait`] if there are not so many; then nothing is taken.
    pub fn take(&mut self, key: K, units: u32, now: u64) -> Result<Left, Wait> {
        let (rate, full) = (self.rate, self.full());
        let bucket = self.filled(key, now);
        let wanted = i64::from(units) * 1_000;
        if bucket.level < wanted {
            let missing = (wanted - bucket.level).unsigned_abs();
            return Err(Wait {
                ms: missing.div_ceil(rate.per_s.into()),
            });
        }
        bucket.level -= wanted;
        let missing = (full - bucket.level).unsigned_abs();
        Ok(Left {
            units: bucket.level.unsigned_abs() / 1_000,
            full_in_ms: missing.div_ceil(rate.per_s.into()),
        })
    }

    /// Takes units whether they are there or not: what is missing is a debt, of [`MAX_DEBT_S`] at most.
    pub fn charge(&mut self, key: K, units: u32, now: u64) {
        let debt = i64::from(self.rate.per_s) * i64::from(MAX_DEBT_S) * 1_000;
        let bucket = self.filled(key, now);
        bucket.level = (bucket.level - i64::from(units) * 1_000).max(-debt);
    }

    fn full(&self) -> i64 {
        i64::from(self.rate.burst) * 1_000
    }

    fn filled(&mut self, key: K, now: u64) -> &mut Bucket {
        let (rate, full) = (self.rate, self.full());
        let new = || Bucket {
            level: full,
            at: now,
        };
        let bucket = self.buckets.entry(key, new);
        let passed = i64::try_from(now.saturating_sub(bucket.at)).unwrap_or(i64::MAX);
        let gained = passed.saturating_mul(rate.per_s.into());
        bucket.level = bucket.level.saturating_add(gained).min(full);
        bucket.at = bucket.at.max(now);
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_s: 10,
        burst: 20,
    };

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut buckets = Buckets::new(RATE, 8);
        for left in (0..20).rev() {
            let taken = buckets.take("a", 1, 0);
            assert_eq!(taken.map(|left| left.units), Ok(left));
        }
        assert_eq!(buckets.take("a", 1, 0), Err(Wait { ms: 100 }));
        assert_eq!(buckets.take("b", 1, 0).map(|left| left.units), Ok(19));
        assert_eq!(buckets.take("a", 1, 99), Err(Wait { ms: 1 }));
        let left = Left {
            units: 0,
            full_in_ms: 2_000,
        };
        assert_eq!(buckets.take("a", 1, 100), Ok(left));
        assert_eq!(
            buckets.take("a", 1, 50),
            Err(Wait { ms: 100 }),
            "a clock that goes back"
        );
        let taken = buckets.take("a", 20, 1_000_000);
        assert_eq!(taken.map(|left| left.units), Ok(0), "no more than a burst");
    }

    #[test]
    fn a_debt_makes_the_wait_longer_and_has_an_end() {
        let mut buckets = Buckets::new(RATE, 8);
        buckets.charge("a", 25, 0);
        assert_eq!(buckets.take("a", 1, 0), Err(Wait { ms: 600 }));
        for _ in 0..1_000 {
            buckets.charge("a", 1_000, 0);
        }
        assert_eq!(buckets.take("a", 1, 0), Err(Wait { ms: 60_100 }));
        assert!(buckets.take("a", 1, 60_100).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_remembers_who_came_last() {
        let mut buckets = Buckets::new(RATE, 8);
        buckets.charge(0, 20, 0);
        for key in 1..1_000 {
            assert!(buckets.take(key, 1, 0).is_ok());
            assert!(buckets.take(0, 1, 0).is_err(), "in use until now");
            let known = buckets.buckets.young.len() + buckets.buckets.old.len();
            assert!(known <= 8, "{known}");
        }
        for key in 1_000..1_008 {
            assert!(buckets.take(key, 1, 0).is_ok());
        }
        assert!(!buckets.buckets.contains(&0));
    }
}
