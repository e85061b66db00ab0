//! `patchbay bench target`: a relay under test, as `bench packets` starts it.

use anyhow::Result;
use clap::{Args, ValueEnum};
use patchbay_bench::packets::systems::{RelayArgs, serve};
use patchbay_bench::packets::vocabulary::SystemKind;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::process::ExitCode;

/// Options of `patchbay bench target`.
#[derive(Args, Debug)]
pub struct TargetCli {
    /// Which relay
    #[arg(long, value_enum)]
    system: Which,
    /// Engine of ours
    #[arg(long, default_value = "")]
    engine: String,
    /// Packet threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Cores of the packet threads, in turn
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Calls to have room for
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// Addresses towards callers, then as many towards callees
    #[arg(long, value_delimiter = ',', required = true)]
    ips: Vec<IpAddr>,
    /// Ports on each address, for Patchbay
    #[arg(long, value_name = "FIRST-LAST", value_parser = super::ports, default_value = "1024-65535")]
    ports: RangeInclusive<u16>,
    /// Device that the packets come and go by, for the engine xdp
    #[arg(long)]
    device: Option<String>,
}

/// A relay that this program can be.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Patchbay,
    Bare,
    Wire,
}

/// Obeys lines of JSON on standard input until it ends, and answers on standard output.
///
/// # Errors
/// If the relay does not start, or a line makes no sense.
pub async fn run(cli: TargetCli) -> Result<ExitCode> {
    let (callers, callees) = cli.ips.split_at(cli.ips.len() / 2);
    if callers.is_empty() || callers.len() != callees.len() {
        anyhow::bail!("--ips takes as many addresses for callees as for callers");
    }
    let args = RelayArgs {
        system: match cli.system {
            Which::Patchbay => SystemKind::Patchbay,
            Which::Bare => SystemKind::Bare,
            Which::Wire => SystemKind::Wire,
        },
        engine: cli.engine,
        threads: cli.threads,
        cpus: cli.cpus,
        calls: cli.calls,
        ips: [callers.to_vec(), callees.to_vec()],
        ports: cli.ports,
        device: cli.device,
    };
    let work = move || {
        serve(
            &args,
            &mut std::io::stdin().lock(),
            &mut std::io::stdout().lock(),
        )
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(ExitCode::SUCCESS)
}
