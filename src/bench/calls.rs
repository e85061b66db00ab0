//! `patchbay bench calls`.

use super::beside::BesideCli;
use super::child::{Agent, CentreCli, ChildCentre};
use crate::scratch::free_udp_ports;
use anyhow::{Result, bail};
use clap::Args;
use patchbay_bench::calls::{self, AgentArgs, CallReport, CallsArgs, Progress};
use patchbay_bench::phones::PhoneSpec;
use patchbay_bench::report::{Paint, write_json};
use patchbay_sip::Transport;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Agents' phones; each has as many lines as agents are behind it.
const PHONES: usize = 8;
/// Sockets that share the callers.
const CALLER_SOCKETS: usize = 8;
/// Agents beyond the calls that talk on average, so that nobody waits.
pub(super) const SPARE: f64 = 1.5;
/// Calls that talk at one time, at most: what the media ports of one address allow.
pub(super) const MAX_AGENTS: usize = 5000;
/// The rate that a search is ready for.
const SEARCH_TO_PER_S: f64 = 4000.0;
/// A second more than the talk: set-up, hang-up and the agent's way back into the queue.
const AROUND_TALK_S: f64 = 1.0;

const EXAMPLES: &str = "\
Examples:
  patchbay bench calls
      1,000 calls, 50 a second, through a centre of its own: set-up times, CPU and memory of each.
  patchbay bench calls --media --calls 200 --hold 5000
      The same with audio, compared at both ends.
  patchbay bench calls --transfer tunnel
      The same with calls handed to the relay by HTTP/2, as `transfer` in [control] says.
  patchbay bench calls --search --rate 200
      The highest rate without a failed call.
  patchbay bench calls --against kamailio,forwarder --json calls.json
      Beside Debian's Kamailio with rtpengine, one core for each, interleaved: CPU, set-up time and
      memory of a call, the highest clean rate, and ratios. Some 15 minutes.
  patchbay bench calls --against kamailio --quick
      The same in short, to see whether a change helps: one rate, no search, less than a minute.

--against makes all load on loopback, starts each system anew for each run with all its processes
on one core (the dialler has another one), and ends what it has started. Run it as root, so that the
kernel's part of the memory is counted too. What each system does for a call is in the report.
Exit code 1: a call failed, or something could not be measured; with --against only calls of
Patchbay at the fixed rates count, since a search is meant to find where calls fail.";

/// Options of `patchbay bench calls`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CallsCli {
    /// Calls in all
    #[arg(long, default_value_t = 1000)]
    calls: u64,
    /// Calls a second
    #[arg(long, value_name = "N", default_value_t = 50.0)]
    rate: f64,
    /// How long an answered call talks [default: 2000; with --against 500]
    #[arg(long, value_name = "MS")]
    hold: Option<u64>,
    /// Send real audio in every call and compare what arrives
    #[arg(long, conflicts_with = "against")]
    media: bool,
    /// Search for the highest rate without a failed call, beginning at --rate
    #[arg(long, conflicts_with = "against")]
    search: bool,
    /// Seconds that each run of a search lasts, and the window of each run with --against
    /// [default: 5; with --quick 2]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Call this centre over UDP, not one of our own; its agents must be there already
    #[arg(long, value_name = "ADDRESS", requires = "to")]
    target: Option<SocketAddr>,
    /// The URI to call at --target
    #[arg(long, value_name = "URI")]
    to: Option<String>,
    #[command(flatten)]
    centre: CentreCli,
    #[command(flatten)]
    beside: BesideCli,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[cfg(test)]
impl CallsCli {
    /// What `--against` and the options beside it make.
    pub(super) fn plan(&self) -> Result<patchbay_bench::beside::Plan> {
        self.beside.plan(self.hold, self.seconds)
    }
}

/// How long an answered call talks, milliseconds.
const HOLD_MS: u64 = 2000;
/// Seconds that a run of a search lasts.
const SEARCH_S: f64 = 5.0;

/// Runs it; fails if a call failed.
///
/// # Errors
/// Whatever hinders the run.
pub async fn run(cli: CallsCli) -> Result<ExitCode> {
    if !cli.beside.against.is_empty() {
        return super::beside::run(cli.beside, cli.centre, (cli.hold, cli.seconds), cli.json).await;
    }
    let hold = cli.hold.unwrap_or(HOLD_MS);
    if !(cli.rate.is_finite() && cli.rate > 0.0) {
        bail!("--rate must be a number above 0");
    }
    let highest = if cli.search {
        SEARCH_TO_PER_S
    } else {
        cli.rate
    };
    let talking = highest * (hold as f64 / 1000.0 + AROUND_TALK_S) * SPARE;
    let agents = (talking.ceil() as usize).clamp(PHONES, MAX_AGENTS);
    let phones = free_udp_ports(PHONES)?;
    let centre = match cli.target {
        Some(_) => None,
        None => {
            let declared = declared(agents, &phones);
            Some(ChildCentre::start(&cli.centre, &declared, agents + agents / 10).await?)
        }
    };
    let sip = centre.as_ref().map(|centre| centre.sip).or(cli.target);
    let Some(target) = sip else {
        bail!("there is no centre to call");
    };
    let mut args = arguments(&cli, target, agents, hold);
    if let Some(centre) = &centre {
        args.watch = centre.pid();
        args.agents = answering(&phones, agents, target);
    }
    let code = match cli.search {
        true => search(&cli, &args).await,
        false => once(&cli, &args).await,
    };
    if let Some(centre) = centre {
        centre.stop().await;
    }
    code
}

/// Agents that share the phones, each with a URI of its phone.
pub(super) fn declared(agents: usize, phones: &[SocketAddr]) -> Vec<Agent> {
    (0..agents)
        .zip(phones.iter().enumerate().cycle())
        .map(|(agent, (phone, address))| {
            let uri = format!("sip:phone{phone}@{address}");
            (format!("agent{agent:05}"), uri)
        })
        .collect()
}

fn answering(phones: &[SocketAddr], agents: usize, target: SocketAddr) -> Vec<AgentArgs> {
    let lines = agents.div_ceil(phones.len()) + 1;
    let answering = |(number, address): (usize, &SocketAddr)| AgentArgs {
        phone: PhoneSpec {
            bind: *address,
            lines,
            ..PhoneSpec::new(format!("phone{number}"), "bench", target)
        },
        register: false,
    };
    phones.iter().enumerate().map(answering).collect()
}

fn arguments(cli: &CallsCli, target: SocketAddr, agents: usize, hold: u64) -> CallsArgs {
    let to = cli
        .to
        .clone()
        .unwrap_or_else(|| format!("sip:bench@{target}"));
    CallsArgs {
        target,
        transport: Transport::Udp,
        to: vec![to],
        domain: "bench".into(),
        calls_total: cli.calls,
        calls_per_s: cli.rate,
        concurrent: agents,
        hold: Duration::from_millis(hold),
        patience: Duration::from_secs(20),
        media: cli.media,
        callers: CALLER_SOCKETS,
        agents: Vec::new(),
        seed: 1,
        watch: None,
    }
}

async fn once(cli: &CallsCli, args: &CallsArgs) -> Result<ExitCode> {
    let report = calls::run(args, |progress| show(cli.rate, progress)).await?;
    clear_line();
    print!("{}", report.table().render(Paint::stdout()));
    if let Some(file) = &cli.json {
        write_json(file, &report)?;
    }
    Ok(verdict(&report))
}

async fn search(cli: &CallsCli, args: &CallsArgs) -> Result<ExitCode> {
    let found = calls::search(args, cli.seconds.unwrap_or(SEARCH_S), show).await?;
    clear_line();
    for (rate, clean) in &found.runs {
        let word = if *clean { "clean" } else { "not clean" };
        println!("  {rate:8.0} calls/s  {word}");
    }
    if found.generator_limited {
        println!("  the generator was the limit: the centre may do more");
    }
    if let Some(file) = &cli.json {
        write_json(file, &found)?;
    }
    match &found.best {
        Some(best) => {
            print!("{}", best.table().render(Paint::stdout()));
            Ok(verdict(best))
        }
        None => {
            println!("  no rate was clean");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn verdict(report: &CallReport) -> ExitCode {
    match report.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn show(rate: f64, progress: Progress) {
    if std::io::stderr().is_terminal() {
        eprint!(
            "\r  {rate:.0} calls/s: {} placed, {} answered, {} over, {} failed ",
            progress.offered, progress.answered, progress.over, progress.failed
        );
        // Progress that cannot be shown is no reason to stop.
        let _ = std::io::stderr().flush();
    }
}

fn clear_line() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K");
    }
}
