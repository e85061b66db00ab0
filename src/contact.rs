//! `patchbay contact`: the story of one contact.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use patchbay_bench::report::Paint;
use serde::Deserialize;

use crate::client::{ApiArgs, Client};
use crate::sip::{clock, say};

/// Options of `patchbay contact`.
#[derive(Args, Debug)]
pub struct ContactArgs {
    /// The contact: 16 hexadecimal digits, as events, logs and `GET /api/v1/contacts` show it
    #[arg(value_name = "ID")]
    id: String,
    /// Print the document of the API
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// What is shown of a timeline; the API documents it.
#[derive(Deserialize)]
struct Timeline {
    contact: String,
    outcome: String,
    call_type: Option<String>,
    queue: Option<String>,
    began_unix_ms: u64,
    sums: Sums,
    tried: Vec<Tried>,
    steps: Vec<Step>,
    truncated: bool,
}

#[derive(Deserialize)]
struct Sums {
    waited_ms: u64,
    rang_ms: u64,
    talked_ms: u64,
    wrap_up_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Tried {
    agent: String,
    rang_ms: u64,
    result: String,
    code: Option<u16>,
}

#[derive(Deserialize)]
struct Step {
    at_ms: u64,
    text: String,
}

/// Asks for a contact's story and prints it.
///
/// # Errors
/// If the control node cannot be reached, or knows no such contact.
pub async fn run(args: ContactArgs) -> Result<ExitCode> {
    let remote = Client::new(&args.api)?;
    let id = patchbay_sip::uri::escape(&args.id);
    let answer = remote
        .get(&format!("/api/v1/contacts/{id}/timeline"))
        .await?;
    let text = answer.text().await.context("the answer broke off")?;
    if args.json {
        say(&format!("{text}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let story: Timeline = serde_json::from_str(&text).context("the answer cannot be read")?;
    say(&told(&story, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn told(story: &Timeline, paint: Paint) -> String {
    let of = match (&story.call_type, &story.queue) {
        (Some(kind), Some(queue)) => format!(" · {kind} for {queue}"),
        _ => String::new(),
    };
    let outcome = match story.outcome.as_str() {
        "served" | "connected" => paint.good(&story.outcome),
        "waiting" => story.outcome.clone(),
        other => paint.bad(other),
    };
    let began = clock(story.began_unix_ms.saturating_mul(1_000));
    let id = paint.strong(&story.contact);
    let mut text = format!("contact {id}{of} · {outcome}\narrived {began}\n\n");
    for step in &story.steps {
        let at = format!("{:>10}", offset(step.at_ms));
        let told = plain(&step.text);
        text.push_str(&format!("{}  {told}\n", paint.faint(&at)));
    }
    if story.truncated {
        text.push_str("            more happened than is shown\n");
    }
    let Sums {
        waited_ms,
        rang_ms,
        talked_ms,
        wrap_up_ms,
    } = story.sums;
    text.push_str(&format!(
        "\nwaited {} · phones rang {} · talked {}",
        offset(waited_ms),
        offset(rang_ms),
        offset(talked_ms)
    ));
    if let Some(wrap_up) = wrap_up_ms {
        text.push_str(&format!(" · wrap-up {}", offset(wrap_up)));
    }
    text.push('\n');
    for one in &story.tried {
        let result = one.result.replace('_', " ");
        let code = one
            .code
            .map_or_else(String::new, |code| format!(" ({code})"));
        let rang = offset(one.rang_ms);
        text.push_str(&format!(
            "tried {}: {result}{code}, rang {rang}\n",
            one.agent
        ));
    }
    text
}

/// What callers say of themselves must not drive the terminal.
fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(harmless).collect()
}

/// Such as `0.004 s`, `1:02.500`.
fn offset(ms: u64) -> String {
    let (s, ms) = (ms / 1_000, ms % 1_000);
    match s {
        0..60 => format!("{s}.{ms:03} s"),
        60..3_600 => format!("{}:{:02}.{ms:03}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60),
    }
}
