//! From values to places.

/// Values this far apart are shown on a logarithmic axis.
const FAR_APART: f64 = 25.0;
/// Lines of a linear axis, roughly.
const LINES: f64 = 5.0;

/// An axis from its foot to its head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    pub logarithmic: bool,
    pub ticks: Vec<f64>,
}

impl Axis {
    /// An axis on which all these values have room: from zero, or logarithmic if the values are
    /// very far apart.
    pub fn fitting(values: &[f64]) -> Self {
        let above_zero = values.iter().copied().filter(|v| v.is_finite() && *v > 0.0);
        let high = above_zero.clone().fold(0.0, f64::max);
        let low = above_zero.fold(high, f64::min);
        if high <= 0.0 {
            return Self::linear(1.0);
        }
        if high / low > FAR_APART {
            Self::decades(low, high)
        } else {
            Self::linear(high)
        }
    }

    fn linear(high: f64) -> Self {
        let step = round_step(high / LINES);
        let lines = (high / step).ceil().max(1.0) as u32;
        Self {
            low: 0.0,
            high: step * f64::from(lines),
            logarithmic: false,
            ticks: (0..=lines).map(|line| step * f64::from(line)).collect(),
        }
    }

    fn decades(low: f64, high: f64) -> Self {
        let first = low.log10().floor() as i32;
        let last = (high.log10().ceil() as i32).max(first + 1);
        Self {
            low: 10f64.powi(first),
            high: 10f64.powi(last),
            logarithmic: true,
            ticks: (first..=last).map(|power| 10f64.powi(power)).collect(),
        }
    }

    /// Where a value stands: 0 at the foot, 1 at the head.
    pub fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            let value = value.max(self.low);
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// The next of 1, 2, 2.5, 5 and their tens that is not below.
fn round_step(step: f64) -> f64 {
    let ten = 10f64.powf(step.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let fitting = steps.into_iter().map(|nice| nice * ten);
    let mut fitting = fitting.filter(|nice| *nice >= step * 0.999);
    fitting.next().unwrap_or(ten * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_at_round_values() {
        let axis = Axis::fitting(&[9970.0, 5012.0]);
        assert_eq!(axis.ticks, [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0]);
        assert!((axis.place(5000.0) - 0.5).abs() < 1e-9);
        assert_eq!(Axis::fitting(&[130.0]).ticks.last(), Some(&150.0));
        assert_eq!(Axis::fitting(&[]).ticks.first(), Some(&0.0));
    }

    #[test]
    fn values_far_apart_are_logarithmic() {
        let axis = Axis::fitting(&[60.0, 2025.0]);
        assert!(axis.logarithmic);
        assert_eq!(axis.ticks, [10.0, 100.0, 1000.0, 10_000.0]);
        assert!((axis.place(100.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((axis.place(1.0), axis.place(1e9)), (0.0, 1.0));
    }
}
