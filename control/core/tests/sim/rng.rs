//! Randomness from a seed.

/// SplitMix64: the same seed, the same numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high - low + 1)
    }

    /// True in `percent` of all cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.range(0, from.len() as u64 - 1) as usize;
        &from[index]
    }

    /// More than 0, at most 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.number() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    /// From an exponential distribution.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.uniform().ln() * mean
    }

    /// From a log-normal distribution with that mean; `spread` is the standard deviation of the
    /// logarithm. Calls last like that.
    pub fn log_normal(&mut self, mean: f64, spread: f64) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        let normal = (-2.0 * radius.ln()).sqrt() * (core::f64::consts::TAU * angle).cos();
        (mean.ln() - spread * spread / 2.0 + spread * normal).exp()
    }
}
