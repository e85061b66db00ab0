//! `patchbay bench packets`.

mod options;

use anyhow::{Context, Result};
use patchbay_bench::packets::BenchError;
use patchbay_bench::packets::bed::Bed;
use patchbay_bench::packets::plan::{OnBed, Plan};
use patchbay_bench::packets::report::{Machine, Report, Screen};
use patchbay_bench::report::{Paint, say};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use options::PacketsCli;

/// Runs it. Fails if packets came out wrong or something could not be measured.
///
/// # Errors
/// Whatever hinders the run.
pub async fn run(cli: PacketsCli) -> Result<ExitCode> {
    let plan = cli.plan();
    plan.check()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = tokio::spawn(stop_when_asked(stop.clone()));
    let options = cli.bed();
    let carried_out = tokio::task::spawn_blocking(move || {
        let bed = Bed::build(&options)?;
        carry_out(&plan, &bed, &stop)
    });
    let report = carried_out.await??;
    stopping.abort();
    say("");
    say(report.text(Paint::stdout()).trim_end());
    if let Some(file) = &cli.json {
        let what = || format!("cannot write {}", file.display());
        report.write_json(file).with_context(what)?;
    }
    if let Some(file) = &cli.svg {
        let what = || format!("cannot write {}", file.display());
        report.write_svg(file).with_context(what)?;
    }
    Ok(match report.is_sound() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn carry_out(plan: &Plan, bed: &Bed, stop: &AtomicBool) -> Result<Report, BenchError> {
    let paint = Paint::stdout();
    let machine = Machine::read(bed.describe(), command());
    say(&format!("  {} ({})", plan.announce(), bed.describe()));
    let mut runner = OnBed::new(bed, plan.traffic, stop)?;
    let mut screen = Screen::new(plan.estimate(), paint);
    let outcome = plan.carry_out(&mut runner, &mut screen)?;
    Ok(Report::new(plan, machine, &outcome))
}

/// Lets the current run end on the first interrupt, so that namespaces and relays are removed; the
/// second one ends the process, and the next start removes what is left.
async fn stop_when_asked(stop: Arc<AtomicBool>) {
    let mut asked = false;
    while tokio::signal::ctrl_c().await.is_ok() {
        if asked {
            std::process::exit(130);
        }
        asked = true;
        stop.store(true, Relaxed);
        eprintln!("\npatchbay: stopping after this run; once more to stop at once");
    }
}

/// The command line, as somebody else would type it.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("patchbay {}", arguments.join(" "))
}
