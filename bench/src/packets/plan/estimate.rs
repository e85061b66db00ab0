//! How long a plan takes, so that whoever starts it can fetch a coffee or a lunch.

use std::fmt;
use std::time::Duration;

use super::search::USUAL_RUNS;
use super::{LoadName, Mode, Plan, Wanted};
use crate::packets::vocabulary::SystemKind;

/// Starting a relay, the warm-up, waiting for the last packets and ending it all.
const AROUND_A_RUN_S: f64 = 1.5;

/// Runs and time that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Runs.
    pub runs: usize,
    /// Seconds.
    pub seconds: f64,
}

impl Estimate {
    /// As time.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or_default()
    }

    fn add(&mut self, runs: usize, seconds_each: f64) {
        self.runs += runs;
        self.seconds += runs as f64 * seconds_each;
    }

    /// One run has been made.
    pub(super) fn take(&mut self, wanted: &Wanted) {
        self.subtract(
            1,
            run_seconds(wanted.contender.kind, wanted.calls, wanted.seconds),
        );
    }

    /// A search is over that took so many runs.
    pub(super) fn settle(&mut self, kind: SystemKind, calls: usize, seconds: f64, runs: usize) {
        let each = run_seconds(kind, calls, seconds);
        if runs > USUAL_RUNS {
            self.add(runs - USUAL_RUNS, each);
        } else {
            self.subtract(USUAL_RUNS - runs, each);
        }
    }

    fn subtract(&mut self, runs: usize, seconds_each: f64) {
        self.runs = self.runs.saturating_sub(runs);
        self.seconds = (self.seconds - runs as f64 * seconds_each).max(0.0);
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds if seconds < 90.0 => write!(f, "about {seconds:.0} seconds"),
            seconds if seconds < 7200.0 => write!(f, "about {:.0} minutes", seconds / 60.0),
            seconds => write!(f, "about {:.1} hours", seconds / 3600.0),
        }
    }
}

/// Seconds that a run takes, with what is around it.
fn run_seconds(kind: SystemKind, calls: usize, seconds: f64) -> f64 {
    // Of a call's set-up, roughly: it is a command of one process to another, or two of them.
    let open = match kind {
        SystemKind::Patchbay | SystemKind::Bare | SystemKind::Wire => 0.000_1,
        SystemKind::Rtpengine => 0.000_5,
    };
    seconds + AROUND_A_RUN_S + open * calls as f64
}

impl Plan {
    /// How many runs it makes and how long they take, roughly.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let mut all = Estimate::default();
        let most: Vec<usize> = self.calls.iter().copied().max().into_iter().collect();
        let searched: &[usize] = match &self.mode {
            Mode::Fixed(_) | Mode::Sweep(Some(_), _) => &[],
            Mode::Sweep(None, _) => most.as_slice(),
            Mode::Search => &self.calls,
            Mode::Against(loads) if needs_search(loads) => &self.calls,
            Mode::Against(_) => &[],
        };
        let loads = match &self.mode {
            Mode::Search => 0,
            Mode::Fixed(_) | Mode::Sweep(..) => 1,
            Mode::Against(loads) => loads.len(),
        };
        for contender in &self.contenders {
            for calls in searched {
                let each = run_seconds(contender.kind, *calls, self.search_seconds());
                all.add(USUAL_RUNS, each);
            }
            for calls in &self.calls {
                let each = run_seconds(contender.kind, *calls, self.seconds);
                all.add(loads * self.reps, each);
            }
        }
        all
    }

    /// The plan in one line: `about 12 minutes: 3 systems, 2 sizes, 5 repetitions of 4 loads …`.
    #[must_use]
    pub fn announce(&self) -> String {
        let count = |number: usize, one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            number => format!("{number} {many}"),
        };
        let mut parts = vec![
            count(self.contenders.len(), "system", "systems"),
            count(self.calls.len(), "number of calls", "numbers of calls"),
        ];
        let reps = count(self.reps, "repetition", "repetitions");
        match &self.mode {
            Mode::Search => parts.push(format!("a search of some {USUAL_RUNS} runs for each")),
            Mode::Fixed(_) => parts.push(format!("{reps} of {:.1} s", self.seconds)),
            Mode::Sweep(rate, _) => {
                if rate.is_none() {
                    parts.push("a search with the most calls".to_owned());
                }
                parts.push(format!("{reps} of {:.1} s", self.seconds));
            }
            Mode::Against(loads) => {
                if needs_search(loads) {
                    parts.push(format!("a search of some {USUAL_RUNS} runs for each"));
                }
                let loads = count(loads.len(), "load", "loads");
                parts.push(format!("{reps} of {loads}, {:.1} s each", self.seconds));
            }
        }
        format!("{}: {}", self.estimate(), parts.join(", "))
    }
}

/// Whether some of these loads depend on highest rates.
pub(super) fn needs_search(loads: &[LoadName]) -> bool {
    let depends =
        |load: &LoadName| matches!(load, LoadName::Equal | LoadName::Share(_) | LoadName::High);
    loads.iter().any(depends)
}
