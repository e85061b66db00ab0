//! `patchbay bench packets`.

use anyhow::Result;
use clap::Args;
use patchbay_bench::packets::{self, EngineTarget, PacketsArgs, Progress};
use patchbay_bench::report::{Paint, grouped};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Options of `patchbay bench packets`.
#[derive(Args, Debug)]
pub struct PacketsCli {
    /// Two-way calls
    #[arg(long, default_value_t = 500)]
    calls: usize,
    /// How long to send
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Packets a second, both ways together [default: one each way and call every ptime]
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// RTP payload bytes; 160 is G.711 at 20 ms
    #[arg(long, value_name = "BYTES", default_value_t = 160)]
    payload: usize,
    /// Milliseconds of sound in a packet
    #[arg(long, value_name = "MS", default_value_t = 20)]
    ptime: u64,
    /// Packet threads of the relay
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Cores for the relay's threads, such as 0 or 0,2; the generator takes the others
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs it; fails if packets arrived that should not have.
///
/// # Errors
/// Whatever hinders the run.
pub async fn run(cli: PacketsCli) -> Result<ExitCode> {
    let args = PacketsArgs {
        calls: cli.calls,
        duration: Duration::from_secs(cli.seconds),
        packets_per_s: cli.rate,
        payload_bytes: cli.payload,
        ptime: Duration::from_millis(cli.ptime),
        threads: cli.threads,
        cpus: cli.cpus,
        json: cli.json,
    };
    let report = tokio::task::spawn_blocking(move || {
        let mut target = EngineTarget::start(&args)?;
        packets::run(&args, &mut target, show)
    })
    .await??;
    clear_line();
    print!("{}", report.table().render(Paint::stdout()));
    Ok(match report.wrong.total() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn show(progress: Progress) {
    if std::io::stderr().is_terminal() {
        eprint!(
            "\r  {} calls, {:.1} s, {} packets sent, {} delivered ",
            progress.calls,
            progress.elapsed.as_secs_f64(),
            grouped(progress.sent),
            grouped(progress.delivered)
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
