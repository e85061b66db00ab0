//! The `patchbay` command: a contact distributor and its media relay.

mod apply;
mod audit;
mod bench;
mod check;
mod check_sounds;
mod client;
mod config;
mod contact;
mod demo;
mod report;
mod route;
mod rules;
mod scratch;
mod serve;
mod sip;
mod table;
mod token;
mod up;

use clap::{Parser, Subcommand};
use patchbay_relay::engine::allocations::Counted;
use serve::{RelayArgs, ServeArgs, UpArgs};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: Counted<mimalloc::MiMalloc> = Counted(mimalloc::MiMalloc);

/// Signalling is one task; packets, files and the database have threads of their own. A second
/// worker only passes messages from core to core: 1.9 ms of CPU for each call instead of 1.5 ms,
/// measured with `bench calls --rate 300` on two cores.
const WORKERS: usize = 1;

/// A contact distributor (SIP calls to the right agent) and the relay that carries their media.
///
/// `patchbay demo` shows it at work on this machine. `patchbay up` runs a whole centre;
/// `patchbay apply centre.toml` tells it of queues, agents and rules.
#[derive(Parser, Debug)]
#[command(name = "patchbay", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show a whole centre at work on this machine, with real calls and real audio
    Demo(demo::DemoArgs),
    /// Run a relay and a control node in one process: a whole centre
    Up(UpArgs),
    /// Run a relay host: SIP edge, routing table, packet engine
    Relay(RelayArgs),
    /// Run a control node: call typing, queues, agents, API
    Control(ServeArgs),
    /// Measure the packet engine, or a centre, with the bundled generators
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Look at the signalling of a running centre
    #[command(subcommand)]
    Sip(sip::SipCommand),
    /// Tell the story of one contact: what happened when, and why
    Contact(contact::ContactArgs),
    /// Ask for an agent, and carry the contact there yourself
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Show how queues, agents or hours fared
    Report(report::ReportArgs),
    /// Try out what rules make of a call
    #[command(subcommand)]
    Rules(rules::RulesCommand),
    /// Tell a running centre its queues, agents and rules
    Apply(apply::ApplyArgs),
    /// Give out, list, rotate and revoke tokens of the API
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show who changed what through the API, and who was not allowed to
    Audit(audit::AuditArgs),
    /// Report every error of configuration files, with line and remedy
    Check(check::CheckArgs),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    log_to_stderr(&command);
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("patchbay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `PATCHBAY_LOG` chooses (`debug`, `patchbay_relay=trace`, …); without it services tell of
/// calls, the other commands only of trouble.
fn log_to_stderr(command: &Command) {
    let usual = match command {
        Command::Up(_) | Command::Relay(_) | Command::Control(_) => "info",
        _ => "warn",
    };
    let filter = EnvFilter::try_from_env("PATCHBAY_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(args).await,
            Command::Apply(args) => apply::run(args).await,
            Command::Sip(command) => sip::run(command).await,
            Command::Contact(args) => contact::run(args).await,
            Command::Report(args) => report::run(args).await,
            Command::Route(command) => route::run(command).await,
            Command::Rules(command) => rules::run(command).await,
            Command::Token(command) => token::run(command).await,
            Command::Audit(args) => audit::run(args).await,
            Command::Check(args) => check::run(args),
            Command::Bench(command) => bench::run(command).await,
            Command::Up(args) => serve::run_both(args).await,
            Command::Relay(args) => serve::run_relay(args).await,
            Command::Control(args) => serve::run_control(args).await,
        }
    })
}
