//! A dry run without a server: the distributor in this process, told a declaration and nothing else.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use patchbay_core::{Distributor, Explanation, Facts, Input, Now};

use crate::config::{Source, centre};

/// What would become of a call in a centre whose agents are all logged in, reachable and free,
/// unless they are declared paused. None, with its problems on standard error, if the declaration
/// cannot be used.
///
/// # Errors
/// If the file cannot be read.
pub fn explain(file: &Path, facts: &Facts, at: Option<u64>) -> Result<Option<Explanation>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let source = Source::new(file.to_string_lossy(), text);
    let centre = match centre::read(&source) {
        Ok(checked) => checked.centre,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(None);
        }
    };
    let now = Now {
        mono: Duration::ZERO,
        unix_ms: at.unwrap_or_else(now),
    };
    let mut distributor = Distributor::new(0);
    let agents: Vec<_> = centre.agents.iter().map(|agent| agent.id.clone()).collect();
    distributor.handle(Input::Configure(centre), now);
    for agent in agents {
        let reachable = true;
        distributor.handle(Input::AgentReachable { agent, reachable }, now);
    }
    Ok(Some(distributor.explain(facts, now)))
}

fn now() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}
