//! The picture of a report: the time of a decision by the number of agents.

use super::{Row, SelectReport};
use crate::report::svg::canvas::{Anchor, Canvas, FAINT, Font, INK, RULE};
use crate::report::svg::scale::Axis;

const SIZE: [f64; 2] = [760.0, 430.0];
const FRAME: [f64; 4] = [80.0, 100.0, 640.0, 260.0];
/// Apart for colour-blind eyes too.
const MEDIAN: &str = "#54aeff";
const TAIL: &str = "#0969da";
const FREED: &str = "#e16f24";

type Value = fn(&Row) -> f64;

pub(super) fn chart(report: &SelectReport) -> String {
    let series: [(&str, &str, Value); 3] = [
        ("decision, median", MEDIAN, |row| row.decision_us.p50),
        ("decision, 99 of 100", TAIL, |row| row.decision_us.p99),
        ("agent freed, 99 of 100", FREED, |row| row.release_us.p99),
    ];
    let title = "How long the distributor takes to decide, in µs";
    let mut canvas = Canvas::default();
    canvas.text([24.0, 36.0], title, Font::bold(20.0), Anchor::Start);
    let under = format!("{} · {}", report.machine.brief(), report.machine.date);
    canvas.text([24.0, 58.0], &under, Font::new(13.0, FAINT), Anchor::Start);
    let values = report
        .rows
        .iter()
        .flat_map(|row| series.map(|(_, _, value)| value(row)));
    let axis = Axis::fitting(&values.collect::<Vec<f64>>());
    frame(&mut canvas, &axis);
    let mut x = 24.0;
    for (label, colour, value) in series {
        canvas.bar([x, 73.0], [13.0, 13.0], colour, label);
        canvas.text([x + 20.0, 84.0], label, Font::new(13.0, INK), Anchor::Start);
        x += 44.0 + Font::new(13.0, INK).width(label);
        let points: Vec<[f64; 2]> = report
            .rows
            .iter()
            .enumerate()
            .map(|(at, row)| point(at, report.rows.len(), axis.place(value(row))))
            .collect();
        canvas.path(&points, colour);
        for (place, row) in points.iter().zip(&report.rows) {
            let told = format!(
                "{label}: {:.1} µs with {} agents",
                value(row),
                row.size.agents
            );
            canvas.dot(*place, colour, &told);
        }
    }
    sizes(&mut canvas, report);
    canvas.finish(SIZE[0], SIZE[1], title)
}

fn sizes(canvas: &mut Canvas, report: &SelectReport) {
    for (at, row) in report.rows.iter().enumerate() {
        let [x, _] = point(at, report.rows.len(), 0.0);
        let label = format!("{} agents", row.size.agents);
        let below = [x, FRAME[1] + FRAME[3] + 22.0];
        canvas.text(below, &label, Font::new(12.0, INK), Anchor::Middle);
    }
}

fn point(at: usize, of: usize, height: f64) -> [f64; 2] {
    let [x, y, width, tall] = FRAME;
    let share = (at as f64 + 0.5) / of.max(1) as f64;
    [x + width * share, y + tall * (1.0 - height)]
}

fn frame(canvas: &mut Canvas, axis: &Axis) {
    let [x, y, width, tall] = FRAME;
    for tick in &axis.ticks {
        let at = y + tall * (1.0 - axis.place(*tick));
        canvas.line([x, at], [x + width, at], RULE, 1.0);
        let label = format!("{tick}");
        canvas.text(
            [x - 10.0, at + 4.0],
            &label,
            Font::new(12.0, FAINT),
            Anchor::End,
        );
    }
}
