//! `patchbay bench calls --against`: a centre of ours beside others.

use super::calls::{MAX_AGENTS, SPARE, declared};
use super::child::{CentreCli, ChildCentre};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use patchbay_bench::beside::{
    Bed, BesideError, Cores, Plan, Report, Screen, System, SystemKind, Wanted, on_core,
};
use patchbay_bench::packets::report::Machine;
use patchbay_bench::report::{Paint, say, write_json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::Handle;

/// What is measured if nothing else is said: in full, and in short.
const RATES: [&[f64]; 2] = [&[300.0, 600.0, 1000.0], &[600.0]];
const REPS: [usize; 2] = [3, 2];
const SECONDS: [f64; 2] = [5.0, 2.0];
const STANDING: [usize; 2] = [1000, 300];
const HOLD_MS: u64 = 500;

/// Options of `patchbay bench calls --against`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Side by side")]
pub struct BesideCli {
    /// Measure these beside ours, interleaved in the same run, each on one core
    #[arg(long, value_name = "SYSTEM[,SYSTEM]", value_delimiter = ',')]
    pub against: Vec<Peer>,
    /// Fixed rates, calls a second [default: 300,600,1000; with --quick 600]
    #[arg(
        long,
        value_name = "N[,N…]",
        value_delimiter = ',',
        requires = "against",
        conflicts_with_all = ["rate", "calls", "target"]
    )]
    rates: Vec<f64>,
    /// Repetitions of each run [default: 3; with --quick 2]
    #[arg(long, value_name = "N", requires = "against")]
    reps: Option<usize>,
    /// One rate, short runs, no search: to see whether a change helps
    #[arg(long, requires = "against")]
    quick: bool,
    /// Do not search for the highest clean rate
    #[arg(long, requires = "against")]
    no_search: bool,
    /// Only search for the highest clean rate
    #[arg(long, requires = "against", conflicts_with_all = ["rates", "no_search", "quick"])]
    only_search: bool,
    /// A rate is clean if no call fails and no set-up takes longer than this
    #[arg(long, value_name = "MS", default_value_t = 200, requires = "against")]
    bound: u64,
    /// Calls that stand together while memory is read; 0: none [default: 1000; with --quick 300]
    #[arg(long, value_name = "N", requires = "against")]
    standing: Option<usize>,
    /// The core that all processes of a system have; the dialler takes another one [default: the first]
    #[arg(long, value_name = "CORE", requires = "against")]
    core: Option<usize>,
}

/// What ours is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Debian's Kamailio as a record-routing proxy, with rtpengine-daemon for every call's media
    Kamailio,
    /// A bare forwarder of the same messages: the floor
    Forwarder,
}

/// Options of `patchbay bench forward`.
#[derive(Args, Debug)]
pub struct ForwardCli {
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
    /// Callers
    #[arg(long, value_delimiter = ',', required = true)]
    callers: Vec<SocketAddr>,
    /// Their phones, as many
    #[arg(long, value_delimiter = ',', required = true)]
    phones: Vec<SocketAddr>,
}

/// Forwards until it is ended.
///
/// # Errors
/// The socket fails.
pub fn forward(cli: &ForwardCli) -> Result<ExitCode> {
    patchbay_bench::beside::forward::forward(cli.listen, &cli.callers, &cli.phones)?;
    Ok(ExitCode::SUCCESS)
}

impl BesideCli {
    /// The plan.
    pub fn plan(&self, hold: Option<u64>, seconds: Option<f64>) -> Result<Plan> {
        let short = usize::from(self.quick);
        let rates = match (self.only_search, self.rates.is_empty()) {
            (true, _) => Vec::new(),
            (_, true) => RATES[short].to_vec(),
            (_, false) => self.rates.clone(),
        };
        let seconds = seconds.unwrap_or(SECONDS[short]);
        let window = Duration::try_from_secs_f64(seconds).context("--seconds")?;
        let standing = if self.only_search { 0 } else { STANDING[short] };
        let mut systems = vec![SystemKind::Patchbay];
        for peer in &self.against {
            let kind = match peer {
                Peer::Kamailio => SystemKind::Kamailio,
                Peer::Forwarder => SystemKind::Forwarder,
            };
            if !systems.contains(&kind) {
                systems.push(kind);
            }
        }
        let plan = Plan {
            systems,
            rates,
            reps: self.reps.unwrap_or(REPS[short]),
            window,
            hold: Duration::from_millis(hold.unwrap_or(HOLD_MS)),
            bound: Duration::from_millis(self.bound),
            standing: self.standing.unwrap_or(standing),
            search: !self.quick && !self.no_search,
        };
        plan.check()?;
        Ok(plan)
    }
}

/// Runs it. Fails if one of our calls at a fixed rate failed or something could not be measured.
///
/// # Errors
/// Whatever hinders the run.
pub async fn run(
    cli: BesideCli,
    centre: CentreCli,
    (hold, seconds): (Option<u64>, Option<f64>),
    json: Option<PathBuf>,
) -> Result<ExitCode> {
    let plan = cli.plan(hold, seconds)?;
    if plan.systems.contains(&SystemKind::Kamailio)
        && let Some(missing) = patchbay_bench::beside::missing()
    {
        return Err(BesideError::Missing(missing).into());
    }
    let cores = Cores::choose(cli.core)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = tokio::spawn(stop_when_asked(stop.clone()));
    let runtime = Handle::current();
    let carried_out = tokio::task::spawn_blocking(move || {
        let start = move |wanted: &Wanted| start(&runtime, &centre, wanted);
        let mut bed = Bed::new(cores, Box::new(start), &stop)?;
        carry_out(&plan, &mut bed)
    });
    let report = carried_out.await??;
    stopping.abort();
    say("");
    say(report.text(Paint::stdout()).trim_end());
    if let Some(file) = &json {
        let what = || format!("cannot write {}", file.display());
        write_json(file, &report).with_context(what)?;
    }
    Ok(match report.is_sound() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn carry_out(plan: &Plan, bed: &mut Bed<'_>) -> Result<Report, BesideError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("patchbay {}", arguments.join(" "));
    let mut machine = Machine::read(bed.describe(), command);
    machine.generator = "one thread, all calls of both sides, each message matched".to_owned();
    say(&format!("  {}", bed.describe()));
    let mut screen = Screen::new();
    let outcome = plan.carry_out(bed, &mut screen)?;
    drop(screen);
    Ok(Report::new(plan, machine, outcome))
}

/// A centre of ours with agents enough that no caller waits.
fn start(runtime: &Handle, cli: &CentreCli, wanted: &Wanted) -> Result<Box<dyn System>, String> {
    let agents = (wanted.calls as f64 * SPARE).ceil() as usize;
    let agents = agents.clamp(wanted.phones.len(), MAX_AGENTS);
    let agents = declared(agents, &wanted.phones);
    let sessions = agents.len() + agents.len() / 10;
    let centre = on_core(wanted.core, || {
        runtime.block_on(ChildCentre::start(cli, &agents, sessions))
    });
    let centre = centre.map_err(|error| format!("{error:#}"))?;
    Ok(Box::new(Ours {
        centre: Some(centre),
        runtime: runtime.clone(),
    }))
}

/// A centre of ours.
struct Ours {
    /// `None` when it is being ended.
    centre: Option<ChildCentre>,
    runtime: Handle,
}

impl System for Ours {
    fn version(&self) -> String {
        format!("patchbay {}", env!("CARGO_PKG_VERSION"))
    }

    fn processes(&self) -> Vec<u32> {
        let centre = self.centre.iter();
        centre.filter_map(ChildCentre::pid).collect()
    }

    fn targets(&self) -> Vec<SocketAddr> {
        self.centre.iter().map(|centre| centre.sip).collect()
    }

    fn uris(&self) -> Vec<String> {
        let targets = self.targets();
        let uris = targets.iter().map(|sip| format!("sip:bench@{sip}"));
        uris.collect()
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(centre) = self.centre.take() {
            self.runtime.block_on(centre.stop());
        }
    }
}

/// Lets the current run end on the first interrupt, so that its processes are ended; the second one
/// ends the bench at once.
async fn stop_when_asked(stop: Arc<AtomicBool>) {
    let mut asked = false;
    while tokio::signal::ctrl_c().await.is_ok() {
        if asked {
            std::process::exit(130);
        }
        asked = true;
        stop.store(true, Relaxed);
        eprintln!("\npatchbay: stopping");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        calls: super::super::calls::CallsCli,
    }

    fn plan(arguments: &str) -> Result<Plan, String> {
        let words = std::iter::once("bench").chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let plan = cli.calls.plan();
        plan.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_its_usual_value() {
        let full = plan("--against kamailio,forwarder,kamailio").unwrap();
        let kinds = [
            SystemKind::Patchbay,
            SystemKind::Kamailio,
            SystemKind::Forwarder,
        ];
        assert_eq!(full.systems, kinds);
        assert_eq!(full.rates, [300.0, 600.0, 1000.0]);
        assert_eq!((full.reps, full.standing, full.search), (3, 1000, true));
        assert_eq!(full.hold, Duration::from_millis(500));
        let quick = plan("--against kamailio --quick").unwrap();
        assert_eq!((quick.reps, quick.search), (2, false));
        assert_eq!(quick.rates, [600.0]);
    }

    #[test]
    fn each_part_can_be_asked_for() {
        let some = "--against kamailio --rates 50,60 --reps 1 --seconds 0.5 --hold 20 --bound 99 \
                    --standing 0 --no-search";
        let some = plan(some).unwrap();
        assert_eq!((some.rates.as_slice(), some.reps), (&[50.0, 60.0][..], 1));
        assert_eq!(some.window, Duration::from_millis(500));
        assert_eq!((some.bound, some.standing), (Duration::from_millis(99), 0));
        let search = plan("--against forwarder --only-search").unwrap();
        assert!(search.rates.is_empty() && search.standing == 0 && search.search);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "--rates 5",
            "--quick",
            "--against nobody",
            "--against kamailio --rates 0",
            "--against kamailio --media",
            "--against kamailio --search",
            "--against kamailio --rates 5 --rate 5",
            "--against kamailio --seconds -1",
            "--against kamailio --standing 0 --rates 10 --seconds 0",
        ] {
            assert!(plan(wrong).is_err(), "{wrong}");
        }
    }
}
