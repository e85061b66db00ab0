//! `patchbay bench`: the generators' command line.

mod calls;
mod child;
mod packets;
mod target;

use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// RTP through the packet engine and other relays: rate, loss, latency, cost of a packet
    Packets(packets::PacketsCli),
    /// Calls through a centre: set-up times, CPU and memory for each call
    Calls(calls::CallsCli),
    /// A relay under test, as `packets` starts it
    #[command(hide = true)]
    Target(target::TargetCli),
}

/// Runs a benchmark and prints its report.
///
/// # Errors
/// Whatever hinders the run.
pub async fn run(command: BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Packets(args) => packets::run(args).await,
        BenchCommand::Calls(args) => calls::run(args).await,
        BenchCommand::Target(args) => target::run(args).await,
    }
}
