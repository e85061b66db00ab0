//! `patchbay up`, `relay` and `control`: run until a signal says otherwise.

use crate::config::Config;
use crate::up::{self, Parts, Running};
use anyhow::{Context, Result};
use clap::Args;
use sd_notify::NotifyState;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Longest time for calls to end by themselves after Ctrl-C; services have `--drain`.
const INTERRUPT_DRAIN: Duration = Duration::from_secs(3);

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
    /// After SIGTERM, calls have this many seconds to end by themselves
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    drain: u64,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever hinders the start, with what to do about it.
pub async fn run(args: ServeArgs, parts: Parts) -> Result<ExitCode> {
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
    let drain = wait_for_signal(Duration::from_secs(args.drain)).await?;
    notify(&[NotifyState::Stopping]);
    stop(running, drain).await?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or SIGINT; gives the time for calls to end by themselves.
async fn wait_for_signal(drain: Duration) -> Result<Duration> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => Ok(drain),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot wait for SIGINT")?;
            Ok(INTERRUPT_DRAIN.min(drain))
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
        () = running.shutdown(drain) => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}
