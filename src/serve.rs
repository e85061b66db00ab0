//! `patchbay up`, `relay` and `control`: run until a signal says otherwise.

use crate::config::Config;
use crate::up::{self, Leave, Parts, Running};
use anyhow::{Context, Result};
use clap::Args;
use sd_notify::NotifyState;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Longest time for calls to end by themselves after Ctrl-C; services have `--drain`.
const INTERRUPT_DRAIN: Duration = Duration::from_secs(3);

/// Time for calls to end by themselves after SIGTERM, unless another is given.
const USUAL_DRAIN: Duration = Duration::from_secs(60);

/// Options of the commands that serve.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Configuration file; without one, defaults that suit a single host
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database, secrets and journal are kept [default: $STATE_DIRECTORY,
    /// /var/lib/patchbay as root, else ~/.local/state/patchbay]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// After SIGTERM, calls have this many seconds to end by themselves, unless they are handed
    /// over [default: 60]
    #[arg(long, value_name = "SECONDS")]
    drain: Option<u64>,
}

/// Options of `patchbay relay`.
#[derive(Args, Debug)]
pub struct RelayArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// After SIGTERM, leave established calls to the next process instead of waiting for their end:
    /// start it within 60 seconds
    ///
    /// For restarts and upgrades. The calls are written to hand-over.json in the data directory;
    /// their phones are told nothing. The next `patchbay relay` with the same data directory and
    /// the same media ports goes on with them, whether it has this option or not. Callers who wait
    /// or ring are told to try again later. Ctrl-C ends calls all the same. `hand_over = true` in
    /// [relay] does the same, whatever --drain says.
    #[arg(long, conflicts_with = "drain")]
    hand_over: bool,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever hinders the start, with what to do about it.
pub async fn run(args: ServeArgs, parts: Parts) -> Result<ExitCode> {
    serve(args, parts, false).await
}

/// The same for a relay of its own.
///
/// # Errors
/// As above.
pub async fn run_relay(args: RelayArgs) -> Result<ExitCode> {
    serve(args.serve, Parts::Relay, args.hand_over).await
}

async fn serve(args: ServeArgs, parts: Parts, hand_over: bool) -> Result<ExitCode> {
    let checked = Config::load(args.config.as_deref(), args.data)?;
    for warning in &checked.warnings.0 {
        tracing::warn!("{warning}");
    }
    let running = up::start(&checked.config, parts).await?;
    println!("patchbay is up; data in {}", checked.config.data.display());
    for line in running.describe() {
        println!("  {line}");
    }
    notify(&[NotifyState::Ready]);
    let drain = args.drain.map_or(USUAL_DRAIN, Duration::from_secs);
    let asked = hand_over || checked.config.relay.hand_over;
    let way = match asked && running.relay.is_some() {
        true => Leave::HandOver,
        false => Leave::Drain(drain),
    };
    let way = wait_for_signal(way).await?;
    notify(&[NotifyState::Stopping]);
    match way {
        // It takes less than a second, and ended amid it the calls would be lost.
        Leave::HandOver => running.shutdown(way).await,
        Leave::Drain(drain) => stop(running, drain).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or SIGINT; gives the way to leave: after SIGTERM as given.
async fn wait_for_signal(way: Leave) -> Result<Leave> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => Ok(way),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot wait for SIGINT")?;
            Ok(Leave::Drain(match way {
                Leave::Drain(drain) => INTERRUPT_DRAIN.min(drain),
                Leave::HandOver => INTERRUPT_DRAIN,
            }))
        }
    }
}

async fn stop(running: Running, drain: Duration) -> Result<()> {
    println!(
        "stopping: no new calls; calls have {} s to end (a second signal ends them now)",
        drain.as_secs()
    );
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        () = running.shutdown(Leave::Drain(drain)) => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}
