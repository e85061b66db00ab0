//! `patchbay bench`: the generators' command line.

mod beside;
mod calls;
mod child;
mod packets;
mod select;
mod target;

use anyhow::Result;
use clap::Subcommand;
use std::ops::RangeInclusive;
use std::process::ExitCode;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// RTP through the packet engine and other relays: rate, loss, latency, cost of a packet
    Packets(packets::PacketsCli),
    /// Calls through a centre: set-up times, CPU and memory for each call
    Calls(calls::CallsCli),
    /// The distributor alone: how long a decision takes among many agents
    Select(select::SelectCli),
    /// A relay under test, as `packets` starts it
    #[command(hide = true)]
    Target(target::TargetCli),
    /// A bare forwarder of datagrams, as `calls --against forwarder` starts it
    #[command(hide = true)]
    Forward(beside::ForwardCli),
}

/// A range of ports as it is written: `20000-59999`.
fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(first, last)| {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first < last).then_some(first..=last)
    });
    range.ok_or_else(|| "ports are written as 20000-59999".to_owned())
}

/// Runs a benchmark and prints its report.
///
/// # Errors
/// Whatever hinders the run.
pub async fn run(command: BenchCommand) -> Result<ExitCode> {
    match command {
        BenchCommand::Packets(args) => packets::run(args).await,
        BenchCommand::Calls(args) => calls::run(args).await,
        BenchCommand::Select(args) => select::run(&args),
        BenchCommand::Target(args) => target::run(args).await,
        BenchCommand::Forward(args) => beside::forward(&args),
    }
}
