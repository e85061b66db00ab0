//! Figures and verdicts in words.

use crate::packets::plan::{LoadName, Ratio, Spread};
use crate::report::grouped;

/// Ratios this near to 1 are no difference.
const EQUAL: f64 = 0.03;

/// A whole number in groups of three.
pub(super) fn whole(value: f64) -> String {
    grouped(value.max(0.0).round() as u64)
}

/// Microseconds: whole ones, or a place behind the point for the small.
pub(super) fn micros(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1}")
    } else {
        whole(value)
    }
}

/// A share as percent.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.3} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// `2.01 (1.95-2.10)`; without the parentheses if there is one value.
pub(super) fn ratio(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(one) if one.width() < 1e-9 => times(one.median),
        Some(spread) => format!(
            "{} ({}-{})",
            times(spread.median),
            times(spread.min),
            times(spread.max)
        ),
    }
}

fn times(value: f64) -> String {
    match value {
        value if value < 9.95 => format!("{value:.2}"),
        value if value < 99.5 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// What a figure says about ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Better,
    Same,
    Worse,
}

/// The spread decides: if some repetitions were better and others worse, there is no difference
/// that a reader could rely on.
pub(super) fn verdict(spread: &Spread) -> Verdict {
    let between = spread.min < 1.0 && spread.max > 1.0;
    if between || (spread.median - 1.0).abs() < EQUAL {
        Verdict::Same
    } else if spread.median > 1.0 {
        Verdict::Better
    } else {
        Verdict::Worse
    }
}

/// A ratio in words: `2.1 times less CPU, 1.9 times the rate, p99 3.4 times lower`.
pub(super) fn sentence(ratio: &Ratio) -> String {
    let mut parts = Vec::new();
    if let Some(cpu) = &ratio.spread.cpu {
        parts.push(part(cpu, "less CPU", "more CPU", "CPU"));
    }
    // At one and the same load the rates say nothing.
    let own_rate = matches!(ratio.load, LoadName::High | LoadName::Share(_));
    if let Some(rate) = ratio.spread.rate.as_ref().filter(|_| own_rate) {
        let words = part(rate, "the rate", "lower rate", "rate");
        parts.push(if ratio.rate_is_lower_bound {
            format!("{words} (ours at the bed's limit, so at least)")
        } else {
            words
        });
    }
    if let Some(p99) = &ratio.spread.p99 {
        parts.push(part(p99, "lower p99", "higher p99", "p99"));
    }
    parts.join(", ")
}

fn part(spread: &Spread, better: &str, worse: &str, what: &str) -> String {
    match verdict(spread) {
        Verdict::Better => format!("{} times {better}", times(spread.median)),
        Verdict::Worse => format!("{} times {worse}", times(1.0 / spread.median)),
        Verdict::Same => format!("{what} about the same"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(min: f64, median: f64, max: f64) -> Spread {
        Spread { median, min, max }
    }

    #[test]
    fn figures_have_as_many_digits_as_they_need() {
        assert_eq!(
            (micros(3.25).as_str(), micros(1234.4).as_str()),
            ("3.2", "1 234")
        );
        for (share, text) in [(0.0, "0 %"), (0.000_04, "0.004 %"), (0.25, "25.0 %")] {
            assert_eq!(percent(share), text);
        }
        assert_eq!(ratio(Some(spread(1.9, 2.0, 12.0))), "2.00 (1.90-12.0)");
        assert_eq!(ratio(Some(spread(150.0, 150.0, 150.0))), "150");
        assert_eq!(ratio(None), "");
    }

    #[test]
    fn the_spread_decides() {
        for (of, want) in [
            (spread(1.5, 2.0, 2.5), Verdict::Better),
            (spread(0.9, 1.3, 2.5), Verdict::Same),
            (spread(1.0, 1.01, 1.02), Verdict::Same),
            (spread(0.5, 0.6, 0.7), Verdict::Worse),
        ] {
            assert_eq!(verdict(&of), want, "{of:?}");
        }
    }
}
