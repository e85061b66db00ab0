//! The `patchbay` command: a contact distributor and its media relay.

mod config;
mod serve;
mod up;

use clap::{Parser, Subcommand};
use serve::ServeArgs;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use up::Parts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Run a relay and a control node in one process: a whole centre
    Up(ServeArgs),
    /// Run a relay host: SIP edge, routing table, packet engine
    Relay(ServeArgs),
    /// Run a control node: call typing, queues, agents, API
    Control(ServeArgs),
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("PATCHBAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("patchbay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Up(args) => serve::run(args, Parts::Both).await,
            Command::Relay(args) => serve::run(args, Parts::Relay).await,
            Command::Control(args) => serve::run(args, Parts::Control).await,
        }
    })
}
