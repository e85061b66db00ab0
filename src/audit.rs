//! `patchbay audit`: who changed what through the API, and who was not allowed to.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use patchbay_bench::report::Paint;
use patchbay_control::store::AuditRow;
use serde::Deserialize;

use crate::client::{ApiArgs, Client};
use crate::sip::{clock, say};
use crate::table::{Line, table};

/// Columns of texts.
const TEXTS: [&str; 6] = ["when", "token", "from", "request", "what", "name"];

/// Options of `patchbay audit`.
#[derive(Args, Debug)]
#[command(after_help = "\
Every change and every request that a token may not make is written down before it is answered.
The newest entries come first; --before with the last number shows older ones.

  patchbay audit --token 3f0c2a9be1d45577         what one token did
  patchbay audit --from 2026-11-22 --csv          all of a day, for a spreadsheet")]
pub struct AuditArgs {
    /// Only entries of this token, by its identifier; `bootstrap` is that of the data directory
    #[arg(long, value_name = "ID")]
    token: Option<String>,
    /// From when: 2026-11-22, 2026-11-22T08:00:00+01:00, or milliseconds of Unix time
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Until when, in the same forms
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Entries older than this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// So many entries, 1 to 1000
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print the document of the API
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

impl AuditArgs {
    fn path(&self) -> String {
        let text = |value: &Option<String>| value.as_deref().map(patchbay_sip::uri::escape);
        let pairs = [
            ("token", text(&self.token)),
            ("from", text(&self.from)),
            ("to", text(&self.to)),
            ("before", self.before.map(|number| number.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("format", self.csv.then(|| "csv".to_owned())),
        ];
        let given = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let query: Vec<String> = given.collect();
        format!("/api/v1/audit?{}", query.join("&"))
    }
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<AuditRow>,
}

/// Asks for the audit log and prints it.
///
/// # Errors
/// If the control node cannot be reached, or refuses.
pub async fn run(args: AuditArgs) -> Result<ExitCode> {
    let answer = Client::new(&args.api)?.get(&args.path()).await?;
    let text = answer.text().await.context("the answer broke off")?;
    if args.csv {
        say(&text)?;
    } else if args.json {
        say(&format!("{text}\n"))?;
    } else {
        let log: Log = serde_json::from_str(&text).context("the answer cannot be read")?;
        say(&told(&log, Paint::stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(log: &Log, paint: Paint) -> String {
    if log.entries.is_empty() {
        return "nothing was changed, and nothing refused\n".to_owned();
    }
    let line = |row: &AuditRow| -> Line {
        let entry = &row.entry;
        vec![
            ("number", row.number.to_string()),
            ("when", clock(entry.unix_ms.saturating_mul(1_000))),
            ("token", entry.token.clone()),
            ("name", entry.name.clone()),
            ("from", entry.source.clone()),
            ("request", format!("{} {}", entry.method, entry.path)),
            ("status", entry.status.to_string()),
            ("what", entry.what.clone().unwrap_or_default()),
        ]
    };
    let lines: Vec<Line> = log.entries.iter().map(line).collect();
    table(&lines, &TEXTS, paint)
}
