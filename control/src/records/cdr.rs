//! Call detail records in the order of the columns of Asterisk's cdr-csv, with `loguniqueid` and
//! `loguserfield`, and times in UTC (`usegmtime`).

use super::number;
use crate::story::{Call, Ending};
use crate::table::defused;

/// One finished contact as a line. Texts are quoted and numbers are not, as Asterisk does.
#[must_use]
pub fn cdr(call: &Call) -> String {
    let kind = call.kind.as_ref();
    let text = |value: Option<&str>| string(value.unwrap_or_default());
    let source = kind.map_or_else(String::new, |kind| number(&kind.from));
    let called = kind.map_or_else(String::new, |kind| number(&kind.to));
    let agent = call.agent.as_ref();
    let ended = call.end.map(|(ended, _)| ended);
    let duration = ended.map_or(0, |ended| ended.saturating_sub(call.arrived_unix_ms));
    let cells = [
        string(""),
        string(&source),
        string(&called),
        text(kind.map(|kind| kind.call_type.as_str())),
        string(&format!("<{source}>")),
        string(&format!("SIP/{source}-{}", call.id)),
        string(&agent.map_or_else(String::new, |agent| format!("SIP/{agent}-{}", call.id))),
        string("Queue"),
        text(kind.map(|kind| kind.queue.as_str())),
        moment(Some(call.arrived_unix_ms)),
        moment(call.answered_unix_ms),
        moment(ended),
        (duration / 1_000).to_string(),
        (call.talked_ms / 1_000).to_string(),
        string(disposition(call)),
        string("DOCUMENTATION"),
        string(&call.id.to_string()),
        text(kind.map(|kind| kind.rule.as_str())),
    ];
    let mut line = cells.join(",");
    line.push('\n');
    line
}

fn disposition(call: &Call) -> &'static str {
    match call.end {
        _ if call.answered_unix_ms.is_some() => "ANSWERED",
        Some((_, Ending::Refused(..) | Ending::Lost)) => "FAILED",
        _ => "NO ANSWER",
    }
}

fn string(text: &str) -> String {
    format!("\"{}\"", defused(text).replace('"', "\"\""))
}

/// Without a moment the cell is empty, not an empty text.
fn moment(unix_ms: Option<u64>) -> String {
    let ms = unix_ms.and_then(|ms| i64::try_from(ms).ok());
    let moment = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(String::new, |moment| {
        string(&moment.strftime("%Y-%m-%d %H:%M:%S").to_string())
    })
}
