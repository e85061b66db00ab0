//! What a run found, for people (aligned tables, colours on a terminal) and for programs (JSON).

pub(crate) mod grid;
mod paint;
mod screen;
pub(crate) mod svg;
mod table;

use std::io;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

pub use paint::Paint;
pub use screen::{Screen, clock, say};
pub use table::{Mark, Table};

/// The points of a distribution that reports name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of the values are at most this.
    pub p50: f64,
    /// 99 of 100 values are at most this.
    pub p99: f64,
    /// The highest value.
    pub max: f64,
    /// How many values there are.
    pub count: u64,
}

impl Quantiles {
    /// Of a histogram of nanoseconds, in units of `unit`.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>, unit: Duration) -> Self {
        let scale = |value: u64| value as f64 / unit.as_nanos().max(1) as f64;
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            p50: scale(histogram.value_at_quantile(0.5)),
            p99: scale(histogram.value_at_quantile(0.99)),
            max: scale(histogram.max()),
            count: histogram.len(),
        }
    }

    /// Of a histogram of nanoseconds, in milliseconds.
    #[must_use]
    pub fn millis(histogram: &Histogram<u64>) -> Self {
        Self::of(histogram, Duration::from_millis(1))
    }

    /// Of a histogram of nanoseconds, in microseconds.
    #[must_use]
    pub fn micros(histogram: &Histogram<u64>) -> Self {
        Self::of(histogram, Duration::from_micros(1))
    }

    /// `p50 / p99 / max` with a number of digits that suits their size.
    #[must_use]
    pub fn brief(&self, unit: &str) -> String {
        if self.count == 0 {
            return "none measured".to_owned();
        }
        let digits = usize::from(self.p50 < 100.0);
        format!(
            "{:.digits$} / {:.digits$} / {:.digits$} {unit}",
            self.p50, self.p99, self.max
        )
    }
}

/// Times to be described by their [`Quantiles`].
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Default for Durations {
    fn default() -> Self {
        Self(crate::phones::nanoseconds())
    }
}

impl Durations {
    /// Adds one time; more than 10 s count as 10 s.
    pub fn record(&mut self, time: Duration) {
        self.0
            .saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// In milliseconds.
    #[must_use]
    pub fn millis(&self) -> Quantiles {
        Quantiles::millis(&self.0)
    }
}

/// A count with thin groups of three, so that millions can be read: `1 234 567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Writes a report as JSON, indented, with a line end.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(path: &Path, report: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn quantiles_are_in_the_unit_asked_for() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for value in 1..=100 {
            histogram.record(value * 1_000_000).unwrap();
        }
        let millis = Quantiles::millis(&histogram);
        assert!((millis.p50 - 50.0).abs() < 0.1 && (millis.p99 - 99.0).abs() < 0.1);
        assert_eq!(
            (millis.count, millis.brief("ms").ends_with(" ms")),
            (100, true)
        );
        let none = Quantiles::micros(&Histogram::<u64>::new(3).unwrap());
        assert_eq!(none.brief("µs"), "none measured");
    }

    #[test]
    fn json_is_written_whole() {
        let path = std::env::temp_dir().join(format!("report-{}.json", std::process::id()));
        write_json(&path, &Quantiles::default()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["count"], 0);
    }
}
