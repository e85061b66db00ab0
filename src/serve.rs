//! `patchbay up`, `relay` and `control`: run until a signal says otherwise.

use crate::config::{self, Checked, Config};
use crate::up::{self, Leave, Parts, Running};
use anyhow::{Context, Result};
use clap::Args;
use patchbay_relay::engine::EngineKind;
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
    /// After SIGTERM, a relay's calls have this many seconds to end by themselves, unless they are
    /// handed over; control alone ends at once, and relays keep its callers [default: 60]
    #[arg(long, value_name = "SECONDS")]
    drain: Option<u64>,
}

/// Options of commands that carry media.
#[derive(Args, Debug)]
pub struct MediaArgs {
    /// Where media of settled calls is sent on: at network interfaces (xdp), by the packet threads
    /// (uring), or at interfaces if that can be (auto) [default: auto]
    ///
    /// auto tries an XDP program in the driver, then in the kernel's receive path, then does without,
    /// and the line `media` says which it is and why. xdp refuses to start if it cannot be had.
    /// `engine` in [relay] says the same.
    #[arg(long, value_name = "ENGINE", value_parser = engine)]
    engine: Option<EngineKind>,
    /// A network interface that media comes and goes by, as `ip link` shows it; may be repeated
    /// [default with auto: those of the default routes]
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,
}

impl MediaArgs {
    /// What is given here wins over the file.
    fn apply(self, relay: &mut config::Relay) {
        if let Some(engine) = self.engine {
            relay.engine = engine;
        }
        if !self.interfaces.is_empty() {
            relay.interfaces = self.interfaces;
        }
    }
}

fn engine(text: &str) -> Result<EngineKind, String> {
    let named = EngineKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text);
    named.ok_or_else(|| "engines are auto, uring and xdp".to_owned())
}

/// Options of `patchbay up`.
#[derive(Args, Debug)]
pub struct UpArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    media: MediaArgs,
}

/// Options of `patchbay relay`.
#[derive(Args, Debug)]
pub struct RelayArgs {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(flatten)]
    media: MediaArgs,
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

/// Runs a control node until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever hinders the start, with what to do about it.
pub async fn run_control(args: ServeArgs) -> Result<ExitCode> {
    let checked = Config::load(args.config.as_deref(), args.data)?;
    serve(checked, args.drain, Parts::Control).await
}

/// The same for a relay of its own.
///
/// # Errors
/// As above.
pub async fn run_relay(args: RelayArgs) -> Result<ExitCode> {
    let mut checked = Config::load(args.serve.config.as_deref(), args.serve.data)?;
    args.media.apply(&mut checked.config.relay);
    checked.config.relay.hand_over |= args.hand_over;
    serve(checked, args.serve.drain, Parts::Relay).await
}

/// The same for both.
///
/// # Errors
/// As above.
pub async fn run_both(args: UpArgs) -> Result<ExitCode> {
    let mut checked = Config::load(args.serve.config.as_deref(), args.serve.data)?;
    args.media.apply(&mut checked.config.relay);
    serve(checked, args.serve.drain, Parts::Both).await
}

async fn serve(checked: Checked, drain: Option<u64>, parts: Parts) -> Result<ExitCode> {
    for warning in &checked.warnings.0 {
        tracing::warn!("{warning}");
    }
    // A huge page is cleared whole when it is first touched, while calls wait (0.3 ms measured), and
    // few of its pages may ever be used. Where the kernel knows no such pages, nothing is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let running = up::start(&checked.config, parts).await?;
    println!("patchbay is up; data in {}", checked.config.data.display());
    for line in running.describe() {
        println!("  {line}");
    }
    notify(&[NotifyState::Ready]);
    let drain = drain.map_or(USUAL_DRAIN, Duration::from_secs);
    let way = match checked.config.relay.hand_over && running.relay.is_some() {
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
    // SIGHUP has certificates read again where there are some, and never ends the process.
    let _hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
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
    match running.relay {
        Some(_) => println!(
            "stopping: no new calls; calls have {} s to end (a second signal ends them now)",
            drain.as_secs()
        ),
        None => println!("stopping: the relays keep callers who wait, for the next process"),
    }
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
