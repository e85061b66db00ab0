//! `patchbay demo`: a whole centre on loopback, phones that place real calls with real audio, and
//! a verdict on every packet of it.

mod cast;
mod centre;
mod outcome;
mod show;
mod story;
mod stream;

use anyhow::{Context, Result};
use clap::Args;
use patchbay_bench::phones::{Exchange, ExchangeConfig};
use patchbay_bench::report::{Paint, say, write_json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cast::Cast;
use centre::DemoCentre;
use show::Show;

/// Time between RTCP reports of the phones: short, so that short calls have some.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Options of `patchbay demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// How many calls come in
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    calls: u64,
    /// How long each call talks
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Go on with light traffic afterwards, and print how to look at it
    #[arg(long)]
    stay: bool,
    /// Write the result to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the demo. The exit code is a failure if any audio went missing or any call failed.
///
/// # Errors
/// Whatever hinders the start.
pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let centre = DemoCentre::start().await?;
    let good = perform(&args, &centre, started).await;
    // Also after an error: the centre's data is only for the demo.
    centre.stop().await;
    Ok(if good? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn perform(args: &DemoArgs, centre: &DemoCentre, started: Instant) -> Result<bool> {
    let paint = Paint::stdout();
    let config = ExchangeConfig {
        seed: u64::from(std::process::id()),
        report_interval: REPORT_INTERVAL,
        ..ExchangeConfig::default()
    };
    let (exchange, mut phones) = Exchange::start(config).context("cannot start the phones")?;
    let cast = Cast::gather(&exchange, centre)?;
    let client = centre.client();
    let mut events = stream::open(&client, centre).await?;
    centre
        .apply(&client, &cast.declaration(args.seconds))
        .await?;
    cast.register(&exchange, &mut phones).await?;
    say(&cast.introduction(centre, started.elapsed(), paint));
    let mut show = Show::new(args, &exchange, &cast, paint);
    show.play(&mut phones, &mut events).await?;
    let result = show.result(centre)?;
    say(&format!("\n{}", result.render(paint)));
    if let Some(path) = &args.json {
        write_json(path, &result).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.stay {
        say(&cast.how_to_look(centre));
        tokio::select! {
            ended = show.go_on(&mut phones, &mut events) => ended?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("cannot wait for Ctrl-C")?;
            }
        }
    }
    Ok(result.is_good())
}
