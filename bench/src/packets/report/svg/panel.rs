//! One diagram: its frame, and bars or lines in it.

use crate::packets::plan::Contender;
use crate::packets::report::words::whole;
use crate::report::svg::canvas::{Anchor, Canvas, FAINT, Font, INK, RULE};
use crate::report::svg::scale::Axis;

/// Width of a panel with its labels.
pub(super) const WIDTH: f64 = 580.0;
/// Height of a panel with its labels.
pub(super) const HEIGHT: f64 = 330.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 46.0;
/// Room for the bars of one number of calls, as a share.
const GROUP: f64 = 0.74;
/// Room for a number of calls below an axis.
const CALLS_LABEL: f64 = 46.0;
/// Where the words of a bar that is missing for want of room have their middle.
const NO_ROOM_ABOVE: f64 = 34.0;
/// The widest bar.
const WIDEST: f64 = 62.0;

/// A value with lowest and highest repetition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub calls: usize,
    pub value: f64,
    pub spread: Option<[f64; 2]>,
    /// The true value may be higher.
    pub at_least: bool,
}

/// The values of one contender.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub contender: Contender,
    pub colour: &'static str,
    pub points: Vec<Point>,
    /// Numbers of calls that it has no room for.
    pub no_room: Vec<usize>,
}

/// Bars side by side, or lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bars,
    Lines,
}

/// A diagram.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    pub kind: Kind,
    pub title: String,
    /// What is good, in few words.
    pub hint: &'static str,
    pub unit: &'static str,
    pub series: Vec<Series>,
}

impl Panel {
    /// Numbers of calls, ascending.
    fn calls(&self) -> Vec<usize> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut calls: Vec<usize> = points.map(|point| point.calls).collect();
        calls.sort_unstable();
        calls.dedup();
        calls
    }

    fn axis(&self) -> Axis {
        let points = self.series.iter().flat_map(|series| &series.points);
        let values = points.flat_map(|point| {
            let [low, high] = point.spread.unwrap_or([point.value; 2]);
            [low, point.value, high]
        });
        Axis::fitting(&values.collect::<Vec<f64>>())
    }

    /// Draws it with its upper left corner there.
    pub fn draw(&self, canvas: &mut Canvas, [x, y]: [f64; 2]) {
        let frame = Frame {
            x: x + LEFT,
            y: y + TOP,
            width: WIDTH - LEFT - RIGHT,
            height: HEIGHT - TOP - BOTTOM,
            axis: self.axis(),
        };
        let title = [x + 8.0, y + 20.0];
        canvas.text(title, &self.title, Font::bold(15.0), Anchor::Start);
        let hint = [x + 8.0, y + 38.0];
        canvas.text(hint, self.hint, Font::new(12.0, FAINT), Anchor::Start);
        frame.draw(canvas, self.unit, x + 16.0);
        match self.kind {
            Kind::Bars => self.bars(canvas, &frame),
            Kind::Lines => self.lines(canvas, &frame),
        }
    }

    fn bars(&self, canvas: &mut Canvas, frame: &Frame) {
        let calls = self.calls();
        let group = frame.width / calls.len().max(1) as f64;
        let bar = (group * GROUP / self.series.len().max(1) as f64).min(WIDEST);
        for (place, calls) in calls.iter().enumerate() {
            let middle = frame.x + group * (place as f64 + 0.5);
            let label = format!("{} calls", whole(*calls as f64));
            frame.below(canvas, middle, 20.0, &label);
            let first = middle - bar * self.series.len() as f64 / 2.0;
            for (place, series) in self.series.iter().enumerate() {
                let left = first + bar * place as f64;
                let mut points = series.points.iter();
                if let Some(point) = points.find(|point| point.calls == *calls) {
                    self.bar(canvas, frame, series, point, [left, bar]);
                } else if series.no_room.contains(calls) {
                    let at = [left + bar / 2.0 + 4.0, frame.foot() - NO_ROOM_ABOVE];
                    canvas.upright(at, "no room", Font::new(12.0, series.colour));
                }
            }
        }
    }

    fn bar(
        &self,
        canvas: &mut Canvas,
        frame: &Frame,
        series: &Series,
        point: &Point,
        [left, width]: [f64; 2],
    ) {
        let top = frame.height_of(point.value);
        let size = [width - 3.0, frame.foot() - top];
        canvas.bar(
            [left + 1.5, top],
            size,
            series.colour,
            &self.describe(series, point),
        );
        let middle = left + width / 2.0;
        let mut above = top;
        if let Some([low, high]) = point.spread.filter(|[low, high]| high > low) {
            canvas.whisker(middle, frame.height_of(low), frame.height_of(high));
            above = frame.height_of(high);
        }
        let label = format!(
            "{}{}",
            if point.at_least { "≥" } else { "" },
            short(point.value)
        );
        let size = if width < 34.0 { 9.5 } else { 11.5 };
        let font = Font::new(size, INK);
        canvas.text([middle, above - 5.0], &label, font, Anchor::Middle);
    }

    fn lines(&self, canvas: &mut Canvas, frame: &Frame) {
        let calls = self.calls();
        let across = Across::new(frame, &calls);
        let mut free = f64::NEG_INFINITY;
        for calls in &calls {
            let x = across.at(*calls);
            // Where labels would run into each other, every other one is left out.
            if x >= free {
                frame.below(canvas, x, 20.0, &whole(*calls as f64));
                free = x + CALLS_LABEL;
            }
        }
        let middle = frame.x + frame.width / 2.0;
        frame.below(canvas, middle, 38.0, "two-way calls, logarithmic");
        let at = |point: &Point| [across.at(point.calls), frame.height_of(point.value)];
        for series in &self.series {
            for point in &series.points {
                if let Some([low, high]) = point.spread.filter(|[low, high]| high > low) {
                    let [x, _] = at(point);
                    canvas.whisker(x, frame.height_of(low), frame.height_of(high));
                }
            }
            let line: Vec<[f64; 2]> = series.points.iter().map(at).collect();
            canvas.path(&line, series.colour);
            for point in &series.points {
                canvas.dot(at(point), series.colour, &self.describe(series, point));
            }
        }
        let firsts = self.series.iter().filter_map(|s| s.points.first());
        let lasts = self.series.iter().filter_map(|s| s.points.last());
        let (firsts, lasts): (Vec<&Point>, Vec<&Point>) = (firsts.collect(), lasts.collect());
        for (points, aside, anchor) in [(firsts, -10.0, Anchor::End), (lasts, 10.0, Anchor::Start)]
        {
            let labels = points
                .into_iter()
                .map(|point| (at(point), short(point.value)));
            for ([x, y], label) in apart(labels.collect()) {
                let font = Font::new(11.5, INK);
                canvas.text([x + aside, y + 4.0], &label, font, anchor);
            }
        }
    }

    fn describe(&self, series: &Series, point: &Point) -> String {
        let spread = point.spread.filter(|[low, high]| high > low);
        let spread = spread.map(|[low, high]| format!(" ({} to {})", whole(low), whole(high)));
        format!(
            "{} with {} calls: {} {}{}",
            series.contender,
            whole(point.calls as f64),
            whole(point.value),
            self.unit,
            spread.unwrap_or_default()
        )
    }
}

/// Moves labels down until none stands on another.
fn apart(mut labels: Vec<([f64; 2], String)>) -> Vec<([f64; 2], String)> {
    labels.sort_by(|([_, a], _), ([_, b], _)| a.total_cmp(b));
    let mut free = f64::NEG_INFINITY;
    for ([_, y], _) in &mut labels {
        *y = y.max(free);
        free = *y + 13.0;
    }
    labels
}

/// The rectangle in which values are drawn.
struct Frame {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    axis: Axis,
}

impl Frame {
    fn foot(&self) -> f64 {
        self.y + self.height
    }

    fn height_of(&self, value: f64) -> f64 {
        self.foot() - self.height * self.axis.place(value)
    }

    fn draw(&self, canvas: &mut Canvas, unit: &str, unit_x: f64) {
        for tick in &self.axis.ticks {
            let y = self.height_of(*tick);
            let colour = if y >= self.foot() - 0.1 { FAINT } else { RULE };
            canvas.line([self.x, y], [self.x + self.width, y], colour, 1.0);
            let at = [self.x - 8.0, y + 4.0];
            canvas.text(at, &short(*tick), Font::new(12.0, FAINT), Anchor::End);
        }
        let unit = if self.axis.logarithmic {
            format!("{unit}, logarithmic")
        } else {
            unit.to_owned()
        };
        let middle = self.y + self.height / 2.0;
        canvas.upright([unit_x, middle], &unit, Font::new(12.0, FAINT));
    }

    fn below(&self, canvas: &mut Canvas, x: f64, depth: f64, label: &str) {
        let font = Font::new(12.0, if depth > 30.0 { FAINT } else { INK });
        canvas.text([x, self.foot() + depth], label, font, Anchor::Middle);
    }
}

/// Numbers of calls from left to right, logarithmic.
struct Across {
    left: f64,
    width: f64,
    low: f64,
    high: f64,
}

impl Across {
    /// Room at both ends for labels.
    const EDGE: f64 = 56.0;

    fn new(frame: &Frame, calls: &[usize]) -> Self {
        let log = |calls: Option<&usize>| (calls.copied().unwrap_or(1).max(1) as f64).log10();
        Self {
            left: frame.x + Self::EDGE,
            width: frame.width - 2.0 * Self::EDGE,
            low: log(calls.first()),
            high: log(calls.last()),
        }
    }

    fn at(&self, calls: usize) -> f64 {
        if self.high <= self.low {
            return self.left + self.width / 2.0;
        }
        let share = ((calls.max(1) as f64).log10() - self.low) / (self.high - self.low);
        self.left + self.width * share
    }
}

/// A value in few characters: `158k`, `34 100`, `103`, `8.7`.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 999_500.0 => format!("{:.2}M", value / 1e6),
        value if value >= 99_950.0 => format!("{:.0}k", value / 1e3),
        value if value >= 10.0 => whole(value),
        value => format!("{value:.1}").trim_end_matches(".0").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (8.74, "8.7"),
            (103.2, "103"),
            (5012.0, "5 012"),
            (25_000.0, "25 000"),
            (158_400.0, "158k"),
            (1_580_000.0, "1.58M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn labels_do_not_stand_on_each_other() {
        let label = |y: f64| ([0.0, y], String::new());
        let moved = apart(vec![label(30.0), label(20.0), label(21.0), label(90.0)]);
        let heights: Vec<f64> = moved.into_iter().map(|([_, y], _)| y).collect();
        assert_eq!(heights, [20.0, 33.0, 46.0, 90.0]);
    }
}
