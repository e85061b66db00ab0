//! `patchbay bench select`.

use anyhow::{Context, Result};
use clap::Args;
use patchbay_bench::report::{Paint, say, write_json};
use patchbay_bench::select::{SelectArgs, measure};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  patchbay bench select
      Centres of 100, 1,000 and 10,000 agents: how long a decision takes, and how many contacts one
      thread can serve.
  patchbay bench select --agents 10000 --json select.json --svg select.svg
      One size, kept as JSON and as a picture.

The distributor runs alone, on a virtual clock: no network, no SIP, no store. The centre comes from
a seed: each agent serves up to 12 queues and has up to 10 skills, queues take turns with the
strategies, and every other queue asks for a skill. A decision is everything from a contact's
arrival to what is done with it: the rules in order, the choice, and the events that explain it.";

/// Options of `patchbay bench select`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SelectCli {
    /// Numbers of agents, each up to 20000
    #[arg(long, value_name = "N,N…", value_delimiter = ',', default_value = "100,1000,10000",
        value_parser = clap::value_parser!(u64).range(1..=20_000))]
    agents: Vec<u64>,
    /// Queues, with a rule for each
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=999))]
    queues: u64,
    /// Skills that agents may have
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    skills: u64,
    /// Contacts that are measured for each number of agents
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    contacts: u64,
    /// Percent of the agents that talk; near 100 contacts wait
    #[arg(long, value_name = "PERCENT", default_value_t = 85,
        value_parser = clap::value_parser!(u64).range(1..=100))]
    occupancy: u64,
    /// Makes the centre and the contacts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the figures there as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a picture there
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs it and prints its report.
///
/// # Errors
/// A file that cannot be written.
pub fn run(cli: &SelectCli) -> Result<ExitCode> {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let args = SelectArgs {
        agents: cli.agents.iter().map(|agents| count(*agents)).collect(),
        queues: count(cli.queues),
        skills: count(cli.skills),
        contacts: cli.contacts,
        occupancy: cli.occupancy as f64 / 100.0,
        seed: cli.seed,
    };
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    let live = std::io::stderr().is_terminal();
    let report = measure(&args, command, |size, part| {
        if live {
            // A progress line that cannot be shown is not missed.
            let _ = write!(
                std::io::stderr(),
                "\r  {} agents: {:>3.0} %  ",
                size.agents,
                part * 100.0
            );
        }
    });
    if live {
        let _ = write!(std::io::stderr(), "\r{:40}\r", "");
    }
    say(report.text(Paint::stdout()).trim_end());
    if let Some(file) = &cli.json {
        write_json(file, &report).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &cli.svg {
        std::fs::write(file, report.svg())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
