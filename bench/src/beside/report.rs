//! What a plan found: tables for the terminal, JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::{Footprint, Run};
use super::plan::Line;
use super::summary::{Highest, Ratio, Row, ratios, rows};
use super::{Outcome, Plan, SystemKind};
use crate::packets::plan::Spread;
use crate::packets::report::Machine;
use crate::report::grid::{Align, Cell, Grid, Look};
use crate::report::{Paint, grouped};

/// What is counted and what is not.
const COUNTED: &str = "CPU is utime and stime of all processes of a system with their threads; the kernel's own \
     threads and interrupts are outside. A call is INVITE with SDP, 180, 200, ACK, a talk, BYE, 200.";

/// A report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where and when it was measured.
    pub machine: Machine,
    /// For each rate and system: the medians of its repetitions.
    pub runs: Vec<Row>,
    /// Ours beside each peer; above 1 ours is better.
    pub ratios: Vec<Ratio>,
    /// What the searches found.
    pub highest: Vec<Highest>,
    /// What standing calls took.
    pub footprints: Vec<Footprint>,
    /// What each system does for a call.
    pub systems: Vec<Does>,
    /// What could not be measured.
    pub failures: Vec<String>,
    /// How long an answered call talked, milliseconds.
    pub hold_ms: u64,
    /// Longest set-up of a clean run, milliseconds.
    pub bound_ms: u64,
    /// Each single run at a fixed rate.
    pub repetitions: Vec<Run>,
    /// Each single run of the searches.
    pub searched: Vec<Run>,
}

/// What a system does for a call.
#[derive(Clone, Debug, Serialize)]
pub struct Does {
    /// Which system.
    pub system: SystemKind,
    /// In words.
    pub does: &'static str,
}

impl Report {
    /// Of a plan that was carried out.
    #[must_use]
    pub fn new(plan: &Plan, mut machine: Machine, outcome: Outcome) -> Self {
        for run in outcome.runs.iter().chain(&outcome.searched) {
            let name = run.system.name().to_owned();
            machine.versions.insert(name, run.version.clone());
        }
        let does = |system: &SystemKind| Does {
            system: *system,
            does: system.does(),
        };
        Self {
            machine,
            runs: rows(&outcome),
            ratios: ratios(&outcome, &plan.systems),
            systems: plan.systems.iter().map(does).collect(),
            hold_ms: u64::try_from(plan.hold.as_millis()).unwrap_or(u64::MAX),
            bound_ms: u64::try_from(plan.bound.as_millis()).unwrap_or(u64::MAX),
            highest: outcome.highest,
            footprints: outcome.footprints,
            failures: outcome.failures,
            repetitions: outcome.runs,
            searched: outcome.searched,
        }
    }

    /// Everything asked for was measured, and none of our calls at a fixed rate failed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let ours = |row: &&Row| row.system == SystemKind::Patchbay;
        self.failures.is_empty() && self.runs.iter().filter(ours).all(|row| row.failed == 0)
    }

    /// As text for a terminal.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "  {}; {}", self.machine.brief(), self.machine.date);
        let _ = writeln!(out, "  {}", self.machine.bed);
        for one in &self.systems {
            let version = self.machine.versions.get(one.system.name());
            let version = version.map_or(one.system.name(), String::as_str);
            let _ = writeln!(out, "  {version}: {}", one.does);
        }
        let _ = writeln!(out, "  {COUNTED}\n");
        for (title, grid) in [
            ("Fixed rates (medians)", self.loads()),
            ("Highest clean rates", self.rates()),
            ("Standing calls", self.feet()),
            (
                "Ratios (above 1 Patchbay is better; median, lowest-highest)",
                self.compared(),
            ),
        ] {
            if let Some(grid) = grid {
                let _ = writeln!(out, "  {}\n{}", paint.strong(title), grid.render(paint));
            }
        }
        let remarks = self.runs.iter().flat_map(|row| {
            let of = format!("{} at {:.0}/s", row.system.name(), row.wanted_calls_per_s);
            row.remarks
                .iter()
                .map(move |text| format!("{of}, repetition {text}"))
        });
        for remark in remarks.chain(self.failures.iter().cloned()) {
            let _ = writeln!(out, "  {}", paint.notable(&remark));
        }
        out
    }

    fn loads(&self) -> Option<Grid> {
        let mut grid = Grid::new(&[
            ("calls/s", Align::Right),
            ("system", Align::Left),
            ("CPU, µs a call", Align::Right),
            ("lowest-highest", Align::Right),
            ("set-up p50/p99/max, ms", Align::Right),
            ("added p50/p99, ms", Align::Right),
            ("calls", Align::Right),
            ("failed", Align::Right),
            ("sent again", Align::Right),
        ]);
        for row in &self.runs {
            let [lowest, highest] = row.cpu_spread_us;
            let setup = &row.setup_ms;
            let added = row.added_setup_ms;
            let direct = row.system == SystemKind::Direct;
            let bad = if row.failed > 0 {
                Look::Bad
            } else {
                Look::Plain
            };
            let unless = |hidden: bool, text: String| if hidden { String::new() } else { text };
            grid.row(vec![
                Cell::plain(format!("{:.0}", row.wanted_calls_per_s)),
                Cell::plain(row.system.name()),
                Cell::plain(unless(direct, format!("{:.0}", row.cpu_us_per_call))),
                Cell::plain(unless(
                    direct || row.reps < 2,
                    format!("{lowest:.0}-{highest:.0}"),
                )),
                Cell::plain(format!(
                    "{:.2} / {:.2} / {:.0}",
                    setup.p50, setup.p99, setup.max
                )),
                Cell::plain(added.map_or_else(String::new, |added| {
                    format!("{:.2} / {:.2}", added.p50, added.p99)
                })),
                Cell::plain(grouped(row.offered)),
                Cell::new(grouped(row.failed), bad),
                Cell::plain(grouped(row.again)),
            ]);
        }
        (!self.runs.is_empty()).then_some(grid)
    }

    fn rates(&self) -> Option<Grid> {
        let mut grid = Grid::new(&[
            ("system", Align::Left),
            ("calls/s", Align::Right),
            ("", Align::Left),
        ]);
        for found in &self.highest {
            let rate = found.calls_per_s.map_or("none".to_owned(), whole);
            let remark = if found.dialler_limited {
                "the dialler was the limit"
            } else {
                ""
            };
            grid.row(vec![
                Cell::plain(found.system.name()),
                Cell::plain(rate),
                Cell::plain(remark),
            ]);
        }
        (!self.highest.is_empty()).then_some(grid)
    }

    fn feet(&self) -> Option<Grid> {
        let mut grid = Grid::new(&[
            ("system", Align::Left),
            ("calls", Align::Right),
            ("KB a call", Align::Right),
            ("of it processes", Align::Right),
            ("sockets a call", Align::Right),
            ("idle, MB", Align::Right),
            ("failed", Align::Right),
        ]);
        for one in &self.footprints {
            grid.row(vec![
                Cell::plain(one.system.name()),
                Cell::plain(grouped(one.calls)),
                Cell::plain(format!("{:.1}", one.bytes_per_call / 1024.0)),
                Cell::plain(format!("{:.1}", one.process_bytes_per_call / 1024.0)),
                Cell::plain(format!("{:.1}", one.sockets_per_call)),
                Cell::plain(format!("{:.1}", one.idle_bytes as f64 / 1048576.0)),
                Cell::plain(grouped(one.failed)),
            ]);
        }
        (!self.footprints.is_empty()).then_some(grid)
    }

    fn compared(&self) -> Option<Grid> {
        let mut grid = Grid::new(&[
            ("against", Align::Left),
            ("calls/s", Align::Right),
            ("CPU", Align::Right),
            ("rate", Align::Right),
            ("set-up p50", Align::Right),
            ("set-up p99", Align::Right),
            ("memory", Align::Right),
        ]);
        for ratio in &self.ratios {
            let spread = &ratio.spread;
            let least = if ratio.rate_is_lower_bound { ">= " } else { "" };
            let rate = times(spread.rate);
            grid.row(vec![
                Cell::plain(ratio.against.name()),
                Cell::plain(ratio.calls_per_s.map_or_else(String::new, whole)),
                Cell::plain(times(spread.cpu)),
                Cell::plain(if rate.is_empty() {
                    rate
                } else {
                    format!("{least}{rate}")
                }),
                Cell::plain(times(spread.p50)),
                Cell::plain(times(spread.p99)),
                Cell::plain(times(spread.memory)),
            ]);
        }
        (!self.ratios.is_empty()).then_some(grid)
    }
}

/// `2.01 (1.95-2.10)`; without the parentheses if there is one value.
fn times(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(one) if one.width() < 1e-9 => format!("{:.2}", one.median),
        Some(all) => format!("{:.2} ({:.2}-{:.2})", all.median, all.min, all.max),
    }
}

fn whole(value: f64) -> String {
    grouped(value.max(0.0).round() as u64)
}

impl Run {
    fn figures(&self) -> String {
        let cpu = match self.system {
            SystemKind::Direct => String::new(),
            _ => format!(", {:.0} µs a call", self.cpu_us_per_call),
        };
        format!(
            "{:>6.0} calls/s  {:<9}  set-up {}{cpu}, {} failed",
            self.wanted_calls_per_s,
            self.system.name(),
            self.setup_ms.brief("ms"),
            self.failed
        )
    }

    /// A step of a search, in a line.
    pub(super) fn tried_line(&self, clean: bool) -> String {
        let word = if clean { "clean" } else { "not clean" };
        format!("  {}: {word}", self.figures())
    }
}

impl Line for Run {
    fn line(&self) -> String {
        let failures: Vec<String> = self
            .failures
            .iter()
            .map(|(reason, count)| format!("{reason} ({count})"))
            .collect();
        let remarks: Vec<String> = failures.into_iter().chain(self.remarks.clone()).collect();
        let all = remarks.join("; ");
        let gap = if all.is_empty() { "" } else { "  " };
        format!("  {}{gap}{all}", self.figures())
    }
}

impl Line for Footprint {
    fn line(&self) -> String {
        format!(
            "  {:>6} standing  {:<9}  {:.1} KB and {:.1} sockets a call, {} failed",
            self.calls,
            self.system.name(),
            self.bytes_per_call / 1024.0,
            self.sockets_per_call,
            self.failed
        )
    }
}

impl Line for Highest {
    fn line(&self) -> String {
        let rate = self.calls_per_s.map_or("no rate".to_owned(), |rate| {
            format!("{} calls/s", whole(rate))
        });
        let limit = if self.dialler_limited {
            ", the dialler's limit"
        } else {
            ""
        };
        format!("  {} carries {rate} cleanly{limit}", self.system.name())
    }
}
