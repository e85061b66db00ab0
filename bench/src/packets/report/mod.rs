//! What a plan found: a table for the terminal, JSON for programs, a chart for everyone.

mod detail;
mod machine;
mod screen;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod words;

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::plan::{
    Failure, Figures, Growth, Highest, Mode, NoRoom, Outcome, Plan, Ratio, Row, growths, ratios,
    rows, system_name,
};
use crate::report::{Paint, write_json};

pub use machine::Machine;
pub use screen::Screen;
pub use table::run_line;

/// A report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where and when it was measured.
    pub machine: Machine,
    /// For each relay, number of calls and load: the medians of its repetitions.
    pub runs: Vec<Row>,
    /// Ours beside each peer; above 1 ours is better. There is none with so many calls that one
    /// of the two has no room for them: see `no_room`.
    pub ratios: Vec<Ratio>,
    /// What searches found.
    pub highest: Vec<Highest>,
    /// How the cost of a packet grows, if that was swept.
    pub growth: Vec<Growth>,
    /// Who has no room for how many calls, and what would make room.
    pub no_room: Vec<NoRoom>,
    /// What could not be measured.
    pub failures: Vec<Failure>,
    /// Each single run.
    pub repetitions: Vec<Value>,
    /// Packets that came out wrong in any run, those of searches included.
    pub wrong: u64,
    #[serde(skip)]
    shape: Shape,
}

/// Which tables and charts suit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// All figures of few runs.
    Detailed,
    /// A row for each run, ratios below.
    Tables,
    /// The same, with lines over numbers of calls as charts.
    Sweep,
}

/// Runs that are shown with all their figures, at most.
const DETAILED_RUNS: usize = 2;

impl Report {
    /// Of a plan that was carried out.
    #[must_use]
    pub fn new(plan: &Plan, mut machine: Machine, outcome: &Outcome) -> Self {
        let runs = rows(&outcome.repetitions);
        let shape = match plan.mode {
            Mode::Sweep(..) => Shape::Sweep,
            Mode::Fixed(_) if runs.len() <= DETAILED_RUNS => Shape::Detailed,
            _ => Shape::Tables,
        };
        for figures in &outcome.repetitions {
            let kind = system_name(figures.contender.kind).to_owned();
            let version = figures.run.system.clone();
            machine.versions.insert(kind, version);
            machine.generator.clone_from(&figures.run.generator);
        }
        Self {
            machine,
            ratios: ratios(outcome, &runs),
            growth: match shape {
                Shape::Sweep => growths(&runs),
                _ => Vec::new(),
            },
            runs,
            highest: outcome.highest.clone(),
            no_room: outcome.no_room.clone(),
            failures: outcome.failures.clone(),
            repetitions: outcome.repetitions.iter().map(repetition).collect(),
            wrong: outcome.wrong,
            shape,
        }
    }

    /// Whether every packet that came out was right and everything asked for was measured, but for
    /// peers without room for so many calls.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let ours_has_room = !self.no_room.iter().any(|one| one.contender.is_ours());
        self.wrong == 0 && self.failures.is_empty() && ours_has_room
    }

    /// As text for a terminal.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        match self.shape {
            Shape::Detailed => detail::text(self, paint),
            Shape::Tables | Shape::Sweep => table::text(self, paint),
        }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_json(&self, path: &Path) -> io::Result<()> {
        write_json(path, self)
    }

    /// As an SVG picture.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::chart(self)
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_svg(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.svg())
    }
}

/// A single run as JSON: `system` is the word of the command line, as everywhere in the report.
fn repetition(figures: &Figures) -> Value {
    let mut value = serde_json::to_value(&figures.run).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("version", figures.run.system.clone().into());
        put("system", system_name(figures.contender.kind).into());
        put("load", figures.load.to_string().into());
        put("rep", figures.rep.into());
    }
    value
}
