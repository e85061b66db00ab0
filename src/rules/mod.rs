//! `patchbay rules`: what the rules of a centre make of a call.

mod offline;
mod shown;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use patchbay_bench::report::Paint;
use patchbay_control::api::Problem;
use patchbay_control::api::limits::MAX_BODY_BYTES;
use patchbay_control::signalling::facts_of_text;
use patchbay_core::{Explanation, Facts};
use reqwest::{Method, StatusCode};

use crate::client::{ApiArgs, Client};

/// What to do with rules.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Say what would become of a call, and why: each rule, each condition, each agent
    ///
    /// The call is an INVITE as text, such as a trace or a capture shows it, or its facts as JSON.
    /// Nothing is changed, and no phone rings.
    ///
    /// Write this to call.txt:
    ///
    ///   INVITE sip:support@example.com SIP/2.0
    ///   Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1
    ///   From: <sip:carla@example.net>;tag=1
    ///   To: <sip:support@example.com>
    ///   Call-ID: try
    ///   CSeq: 1 INVITE
    ///   X-Tier: gold
    ///
    /// and ask:
    ///
    ///   patchbay rules explain call.txt --at 2026-12-25T10:00:00+01:00
    ///   patchbay rules explain call.txt --centre centre.toml
    ///   echo '{"to": "sip:support@example.com", "delayed_offer": true}' | patchbay rules explain -
    #[command(verbatim_doc_comment)]
    Explain(Box<ExplainArgs>),
}

/// Options of `patchbay rules explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The INVITE as text, or facts as JSON; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Try this declaration, without a server; all its agents count as free
    #[arg(long, value_name = "CENTRE.TOML")]
    centre: Option<PathBuf>,
    /// The time that hours, calendars and expressions see, such as 2026-12-25T10:00:00+01:00
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<u64>,
    /// Print the document of the API instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Milliseconds of Unix time.
fn time(text: &str) -> Result<u64, String> {
    let remedy = "write date, time and offset, such as 2026-12-25T10:00:00+01:00";
    let stamp: Timestamp = text.parse().map_err(|error| format!("{error}; {remedy}"))?;
    u64::try_from(stamp.as_millisecond()).map_err(|_| format!("it is before 1970; {remedy}"))
}

/// Explains.
///
/// # Errors
/// If a file cannot be read, or the control node cannot be reached or refuses.
pub async fn run(command: RulesCommand) -> Result<ExitCode> {
    let RulesCommand::Explain(args) = command;
    let facts =
        facts(&read(&args.file)?).with_context(|| format!("cannot use {}", args.file.display()))?;
    let explanation = match &args.centre {
        Some(file) => match offline::explain(file, &facts, args.at)? {
            Some(explanation) => explanation,
            None => return Ok(ExitCode::FAILURE),
        },
        None => ask(&args, &facts).await?,
    };
    let text = match args.json {
        true => format!("{}\n", serde_json::to_string_pretty(&explanation)?),
        false => shown::table(&facts, &explanation, Paint::stdout()),
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a file that is too long from one that fits.
    let limit = MAX_BODY_BYTES as u64 + 1;
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
        }
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    if bytes.len() > MAX_BODY_BYTES {
        bail!("{} is longer than {MAX_BODY_BYTES} bytes", file.display());
    }
    Ok(bytes)
}

/// Facts as JSON, or those of an INVITE.
fn facts(bytes: &[u8]) -> Result<Facts> {
    let start = bytes.trim_ascii_start();
    if start.is_empty() {
        bail!("it is empty; write an INVITE or facts as JSON");
    }
    if start.starts_with(b"{") {
        return serde_json::from_slice(bytes)
            .context("the JSON holds no facts; /api/v1/openapi.json lists their names");
    }
    facts_of_text(start).map_err(|error| anyhow!("the INVITE: {error}"))
}

async fn ask(args: &ExplainArgs, facts: &Facts) -> Result<Explanation> {
    let client = Client::new(&args.api)?;
    let at = args
        .at
        .map_or(String::new(), |at| format!("?at_unix_ms={at}"));
    let path = format!("/api/v1/rules/explain{at}");
    let request = client.request(Method::POST, &path).json(facts);
    let answer = client.send(request).await?;
    match answer.status() {
        StatusCode::OK => answer.json().await.context("the answer cannot be read"),
        status => {
            let problem: Option<Problem> = answer.json().await.ok();
            let detail = problem.map_or("not as a control node does".into(), |one| one.detail);
            bail!("{} answered {status}: {detail}", client.api)
        }
    }
}
