//! The highest rate at which no call fails.

use serde::Serialize;

use super::{CallReport, CallsArgs, CallsError, Progress, run};

/// The search ends when the highest clean and the lowest unclean rate are this close.
const CLOSE_ENOUGH: f64 = 1.05;
/// And after so many runs in any case.
const MAX_RUNS: usize = 16;
/// A run whose achieved rate is below this share of the wanted one was too fast for the generator
/// or for the limit of calls at one time.
const KEPT_UP: f64 = 0.95;

/// What a search found.
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// The best clean run; `None` if not even the first rate was clean.
    pub best: Option<CallReport>,
    /// All runs in order: wanted rate, and whether it was clean.
    pub runs: Vec<(f64, bool)>,
    /// The generator itself could not go faster, so the true limit is higher.
    pub generator_limited: bool,
}

/// Doubles the rate from `args.calls_per_s` until a run is not clean, then halves the gap. Each
/// run places calls for `seconds`.
///
/// # Errors
/// A run could not be made.
pub async fn search(
    args: &CallsArgs,
    seconds: f64,
    mut progress: impl FnMut(f64, Progress),
) -> Result<SearchReport, CallsError> {
    let mut report = SearchReport {
        best: None,
        runs: Vec::new(),
        generator_limited: false,
    };
    let (mut clean, mut unclean): (f64, Option<f64>) = (0.0, None);
    let mut rate = args.calls_per_s;
    while report.runs.len() < MAX_RUNS {
        let calls_total = (rate * seconds).ceil() as u64;
        let at_rate = CallsArgs {
            calls_per_s: rate,
            calls_total,
            // A run with the tags and branches of the one before would look like its repetition.
            seed: args.seed.wrapping_add(report.runs.len() as u64),
            ..args.clone()
        };
        let found = run(&at_rate, |state| progress(rate, state)).await?;
        report.runs.push((rate, found.is_clean()));
        let kept_up = calls_total < 2 || found.calls_per_s >= rate * KEPT_UP;
        if found.is_clean() && kept_up {
            clean = rate;
            report.best = Some(found);
        } else {
            report.generator_limited = found.is_clean();
            unclean = Some(rate);
        }
        rate = match unclean {
            None => rate * 2.0,
            Some(limit) if clean == 0.0 || limit / clean <= CLOSE_ENOUGH => break,
            Some(limit) => (clean + limit) / 2.0,
        };
    }
    Ok(report)
}
