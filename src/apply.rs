//! `patchbay apply`: makes a running control node what `centre.toml` declares.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use patchbay_control::api::{Problem, TOKEN_FILE};
use patchbay_control::node::Applied;
use patchbay_control::store::secret;
use patchbay_core::Centre;
use reqwest::{Response, StatusCode};

use crate::config::problem::{Fault, Report};
use crate::config::{Environment, Source, centre, fields};

/// Longest time for the whole request.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What is shown of an answer that is not from Patchbay.
const SHOWN_CHARS: usize = 200;

/// Options of `patchbay apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The declaration: queues, agents, rules
    #[arg(value_name = "CENTRE.TOML")]
    file: PathBuf,
    /// The API of the control node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    api: String,
    /// File with the API token [default: api-token in the data directory]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Data directory of the control node, where its token is [default: as for `patchbay up`]
    #[arg(long, value_name = "DIR", conflicts_with = "token_file")]
    data: Option<PathBuf>,
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
    let api = fields::base_url(&args.api)
        .map_err(|fault| anyhow!("--api: {}; {}", fault.what, fault.remedy))?;
    let environment = Environment::of_process();
    let token_file = token_file(
        args.token_file.as_deref(),
        args.data.as_deref(),
        &environment,
    );
    let token = secret::read(&token_file).with_context(|| {
        "no API token; run this as the user of the control node, or name a copy of its token with \
         --token-file"
    })?;
    let answer = put(&api, &token, &checked.centre, args.dry_run).await?;
    match answer.status() {
        StatusCode::OK => {
            let applied: Applied = answer.json().await.context("the answer cannot be read")?;
            print!("{}", told(&applied, source.name(), &api, args.dry_run));
            Ok(ExitCode::SUCCESS)
        }
        StatusCode::UNAUTHORIZED => bail!(
            "{api} refused the token of {}; is it the token of this control node?",
            token_file.display()
        ),
        _ => refused(answer, &source, &api).await,
    }
}

/// Where the API's token is: in a file that is named, or in a data directory.
pub fn token_file(file: Option<&Path>, data: Option<&Path>, environment: &Environment) -> PathBuf {
    match (file, data) {
        (Some(file), _) => file.to_owned(),
        (None, Some(data)) => data.join(TOKEN_FILE),
        (None, None) => environment.default_data().join(TOKEN_FILE),
    }
}

async fn put(api: &str, token: &str, centre: &Centre, dry_run: bool) -> Result<Response> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("the HTTP client cannot start")?;
    let url = format!("{api}/api/v1/centre?dry_run={dry_run}");
    let request = client.put(url).bearer_auth(token).json(centre);
    request.send().await.map_err(|error| {
        let cause = innermost(&error);
        match error.is_connect() || error.is_timeout() {
            true => anyhow!(
                "no control node answers at {api} ({cause}); is `patchbay up` running? --api names \
                 another address"
            ),
            false => anyhow!("{api}: {cause}"),
        }
    })
}

/// The outer errors only repeat the URL.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
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
