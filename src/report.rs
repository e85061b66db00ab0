//! `patchbay report`: how queues, agents or hours fared.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use patchbay_bench::report::Paint;
use serde_json::Value;

use crate::client::{ApiArgs, Client};
use crate::sip::{clock, say};
use crate::table::{Line, table};

/// Characters of a bar.
const BAR: usize = 10;

/// Options of `patchbay report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// What there is a row for
    #[arg(value_enum)]
    by: By,
    /// From when: 2026-11-22, 2026-11-22T08:00:00+01:00, or milliseconds of Unix time [default: a day
    /// before --to]
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Until when, in the same forms [default: now]
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// A row for each step of so many seconds [default: 3600 for hours, else one for all]
    #[arg(long, value_name = "SECONDS")]
    step: Option<u64>,
    /// An answer within so many seconds is in time [default: 20]
    #[arg(long, value_name = "SECONDS")]
    threshold: Option<u64>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print the document of the API
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// What reports have rows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Queues
    Queues,
    /// Agents
    Agents,
    /// Steps of time
    Hours,
}

impl ReportArgs {
    fn path(&self) -> String {
        let by = match self.by {
            By::Queues => "queues",
            By::Agents => "agents",
            By::Hours => "hours",
        };
        let text = |value: &Option<String>| value.as_deref().map(patchbay_sip::uri::escape);
        let number = |value: Option<u64>| value.map(|number| number.to_string());
        let pairs = [
            ("from", text(&self.from)),
            ("to", text(&self.to)),
            ("step", number(self.step)),
            ("threshold_s", number(self.threshold)),
            ("format", self.csv.then(|| "csv".to_owned())),
        ];
        let given = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let query: Vec<String> = given.collect();
        format!("/api/v1/reports/{by}?{}", query.join("&"))
    }
}

/// Asks for a report and prints it.
///
/// # Errors
/// If the control node cannot be reached, or refuses.
pub async fn run(args: ReportArgs) -> Result<ExitCode> {
    let answer = Client::new(&args.api)?.get(&args.path()).await?;
    let text = answer.text().await.context("the answer broke off")?;
    if args.csv {
        say(&text)?;
    } else if args.json {
        say(&format!("{text}\n"))?;
    } else {
        let report: Value = serde_json::from_str(&text).context("the answer cannot be read")?;
        say(&told(args.by, &report, Paint::stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(by: By, report: &Value, paint: Paint) -> String {
    let at = |name: &str| clock(report[name].as_u64().unwrap_or(0).saturating_mul(1_000));
    let mut text = format!("{} to {}", at("from_unix_ms"), at("to_unix_ms"));
    if by != By::Agents {
        text.push_str(&format!(", in time within {} s", report["threshold_s"]));
    }
    text.push_str("\n\n");
    let none = Vec::new();
    let rows = report["rows"].as_array().unwrap_or(&none);
    if rows.is_empty() {
        text.push_str("nothing happened\n");
        return text;
    }
    let stepped = !report["step_s"].is_null();
    let lines = rows.iter().map(|row| match by {
        By::Agents => agent(row, stepped),
        By::Queues => contacts(row, stepped, true),
        By::Hours => contacts(row, true, false),
    });
    text.push_str(&table(&lines.collect::<Vec<_>>(), &TEXTS, paint));
    text
}

/// Columns of texts.
const TEXTS: [&str; 5] = ["from", "queue", "agent", "service level", "occupancy"];

fn contacts(row: &Value, stepped: bool, named: bool) -> Line {
    let mut line = head(row, stepped, named.then_some("queue"));
    let count = |name: &str| row[name].to_string();
    line.extend([
        ("offered", count("offered")),
        ("answered", count("answered")),
        ("abandoned", count("abandoned")),
        ("refused", count("refused")),
        ("service level", bar(&row["service_level"])),
        ("wait", time(&row["wait_mean_ms"])),
        ("p90", time(&row["wait_p90_ms"])),
        ("longest", time(&row["wait_max_ms"])),
        ("handling", time(&row["handling_mean_ms"])),
    ]);
    if !named {
        line.push(("occupancy", bar(&row["occupancy"])));
    }
    line
}

fn agent(row: &Value, stepped: bool) -> Line {
    let mut line = head(row, stepped, Some("agent"));
    let count = |name: &str| row[name].to_string();
    line.extend([
        ("offers", count("offers")),
        ("answered", count("answered")),
        ("missed", count("missed")),
        ("failed", count("failed")),
        ("talk", time(&row["talk_ms"])),
        ("wrap-up", time(&row["wrap_up_ms"])),
        ("handling", time(&row["handling_mean_ms"])),
        ("paused", time(&row["paused_ms"])),
        ("occupancy", bar(&row["occupancy"])),
    ]);
    line
}

fn head(row: &Value, stepped: bool, subject: Option<&'static str>) -> Line {
    let from = row["from_unix_ms"].as_u64().unwrap_or(0);
    let from = stepped.then(|| {
        let moment = clock(from.saturating_mul(1_000));
        // Steps begin at whole minutes, as a rule.
        moment.get(..16).unwrap_or(&moment).to_owned()
    });
    let from = from.map(|from| ("from", from));
    let subject = subject.map(|name| (name, row[name].as_str().unwrap_or_default().to_owned()));
    from.into_iter().chain(subject).collect()
}

/// Such as `████████░░  82 %`.
fn bar(share: &Value) -> String {
    let Some(share) = share.as_f64() else {
        return "-".to_owned();
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share is between 0 and 1"
    )]
    let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let (full, empty) = ("█".repeat(full), "░".repeat(BAR.saturating_sub(full)));
    format!("{full}{empty} {:>3.0} %", share * 100.0)
}

/// Such as `7.2 s`, `4:05`, `1:02:03`.
fn time(ms: &Value) -> String {
    let Some(ms) = ms.as_u64() else {
        return "-".to_owned();
    };
    let s = ms / 1_000;
    match s {
        0..60 => format!("{s}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
