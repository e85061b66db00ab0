//! `patchbay apply`: makes a running control node what `centre.toml` declares.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use patchbay_control::api::Problem;
use patchbay_control::node::Applied;
use patchbay_core::Centre;
use patchbay_sip::uri::escape;
use reqwest::{Method, Response, StatusCode};

use crate::client::{ApiArgs, Client};
use crate::config::problem::{Fault, Report};
use crate::config::{Source, centre};

/// What is shown of an answer that is not from Patchbay.
const SHOWN_CHARS: usize = 200;

/// Options of `patchbay apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The declaration: queues, agents, rules
    #[arg(value_name = "CENTRE.TOML")]
    file: PathBuf,
    #[command(flatten)]
    api: ApiArgs,
    /// Why it is applied; kept with the version
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Checks the file, applies it, and says what changed.
///
/// # Errors
/// If the file or the token cannot be read, or the control node cannot be reached or refuses.
pub async fn run(args: ApplyArgs) -> Result<ExitCode> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let source = Source::new(args.file.to_string_lossy(), text);
    let checked = match centre::read(&source) {
        Ok(checked) => checked,
        Err(problems) => {
            eprintln!("{problems}\n\n{}: nothing was applied", source.name());
            return Ok(ExitCode::FAILURE);
        }
    };
    if !checked.warnings.0.is_empty() {
        eprintln!("{}\n", checked.warnings);
    }
    let client = Client::new(&args.api)?;
    let answer = put(&client, &checked.centre, &args).await?;
    match answer.status() {
        StatusCode::OK => {
            let version = version(&answer);
            let applied: Applied = answer.json().await.context("the answer cannot be read")?;
            let text = told(&applied, source.name(), &client.api, args.dry_run);
            print!("{text}");
            if let Some(version) = version.filter(|_| !args.dry_run) {
                println!("version {version} is in force");
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => refused(answer, &source, &client.api).await,
    }
}

async fn put(client: &Client, centre: &Centre, args: &ApplyArgs) -> Result<Response> {
    let mut path = format!("/api/v1/centre?dry_run={}", args.dry_run);
    if let Some(comment) = &args.comment {
        path.push_str("&comment=");
        path.push_str(&escape(comment));
    }
    client
        .send(client.request(Method::PUT, &path).json(centre))
        .await
}

/// The number of the declaration in force, which is the ETag.
fn version(answer: &Response) -> Option<u64> {
    let tag = answer.headers().get(reqwest::header::ETAG)?;
    tag.to_str().ok()?.trim_matches('"').parse().ok()
}

/// A refusal: faults are shown at their lines, for the node may check more than this version does.
async fn refused(answer: Response, source: &Source, api: &str) -> Result<ExitCode> {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    let Ok(problem) = serde_json::from_str::<Problem>(&text) else {
        let start: String = text.chars().take(SHOWN_CHARS).collect();
        bail!("{api} answered {status}, and not as a control node does: {start}");
    };
    if problem.errors.is_empty() {
        bail!("{api}: {}: {}", problem.title, problem.detail);
    }
    let mut report = Report::new(source);
    for error in problem.errors {
        let place = centre::place_of(source, &error.path);
        report.error(error.path, place, Fault::new(error.message, error.remedy));
    }
    eprintln!("{}\n\n{api}: nothing was applied", report.finish());
    Ok(ExitCode::FAILURE)
}

/// What changed, a line each.
fn told(applied: &Applied, file: &str, api: &str, dry_run: bool) -> String {
    let groups = [
        ("+", &applied.added),
        ("~", &applied.changed),
        ("-", &applied.removed),
    ];
    let count: usize = groups.iter().map(|(_, names)| names.len()).sum();
    if count == 0 {
        return format!("{api} is already as {file} declares: nothing to change\n");
    }
    let done = if dry_run {
        "would be applied"
    } else {
        "applied"
    };
    let mut text = format!("{file} {done} to {api}\n");
    for (sign, names) in groups {
        for name in names {
            text.push_str(&format!("  {sign} {}\n", name.replace(':', " ")));
        }
    }
    let (added, changed, removed) = (
        applied.added.len(),
        applied.changed.len(),
        applied.removed.len(),
    );
    text.push_str(&format!(
        "{added} added, {changed} changed, {removed} removed\n"
    ));
    text
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
