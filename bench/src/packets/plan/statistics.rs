//! Medians, and how far apart the values are.

use serde::Serialize;

use crate::packets::Latency;

/// The median of some values and the lowest and highest of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the values are below.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// Of the finite ones of these values; `None` if there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = values.get(values.len() / 2)?;
        let lower = values.get((values.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(*lower, *upper),
            min,
            max,
        })
    }

    /// How far lowest and highest are apart, as a share of the median.
    #[must_use]
    pub fn width(&self) -> f64 {
        (self.max - self.min) / self.median.abs().max(f64::MIN_POSITIVE)
    }
}

/// The median of the finite ones of these values.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}

/// Point by point the median of several distributions.
#[must_use]
pub fn median_latency<'a>(of: impl Iterator<Item = &'a Latency> + Clone) -> Latency {
    let point = |get: fn(&Latency) -> f64| median(of.clone().map(get)).unwrap_or_default();
    Latency {
        p50: point(|latency| latency.p50),
        p90: point(|latency| latency.p90),
        p99: point(|latency| latency.p99),
        p999: point(|latency| latency.p999),
        max: point(|latency| latency.max),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, want) in [
            (vec![], None),
            (vec![3.0], Some((3.0, 3.0, 3.0))),
            (vec![9.0, 1.0], Some((5.0, 1.0, 9.0))),
            (vec![9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0))),
            (vec![f64::NAN, f64::INFINITY, 4.0], Some((4.0, 4.0, 4.0))),
        ] {
            let found = Spread::of(values).map(|s| (s.median, s.min, s.max));
            assert_eq!(found, want);
        }
        assert!((Spread::of([1.0, 2.0, 4.0]).unwrap().width() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn distributions_have_a_median_at_each_point() {
        let latency = |p50, p99| Latency {
            p50,
            p99,
            ..Latency::default()
        };
        let of = [latency(1.0, 90.0), latency(2.0, 10.0), latency(3.0, 20.0)];
        assert_eq!(median_latency(of.iter()), latency(2.0, 20.0));
    }
}
