//! Records of finished contacts: our own columns, and the forms that other centres' tools read.
//!
//! A contact belongs to the range that it *arrived* in, with all that is written of it, so that the records of
//! ranges that follow each other name every contact once.

mod cdr;
mod queue_log;

pub use cdr::cdr;
pub use queue_log::{Memberships, QueueLog};

use patchbay_sip::uri::Uri;

use crate::story::{Call, Ending, Try, TryEnd, name};
use crate::table::Row;

/// Version of [`record`]'s columns; it rises when one changes its meaning or goes, not when one is
/// added at the end.
pub const COLUMNS_VERSION: u32 = 1;

/// A moment as RFC 3339 in UTC, with milliseconds.
fn moment(unix_ms: u64) -> Option<String> {
    let ms = i64::try_from(unix_ms).ok()?;
    let moment = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(format!("{moment:.3}"))
}

/// The user part of a URI, or the whole if it has none.
fn number(uri: &str) -> String {
    let parsed = Uri::parse(uri).ok();
    let user = parsed.and_then(|uri| uri.user_unescaped());
    user.unwrap_or_else(|| uri.to_owned())
}

/// One finished contact.
#[must_use]
pub fn record(call: &Call) -> Row {
    let kind = call.kind.as_ref();
    let tried: Vec<String> = call.tries.iter().map(tried).collect();
    let (ended, disposition, reason, ended_by) = ending(call);
    let mut row = Row::default();
    row.set("id", call.id.to_string());
    row.set("arrived", moment(call.arrived_unix_ms));
    row.set("queue", kind.map(|kind| kind.queue.as_str()));
    row.set("call_type", kind.map(|kind| kind.call_type.as_str()));
    row.set("rule", kind.map(|kind| kind.rule.as_str()));
    row.set("from", kind.map(|kind| kind.from.as_str()));
    row.set("to", kind.map(|kind| kind.to.as_str()));
    row.set("offers", u64::from(call.offers));
    row.set("agents_tried", tried.join(" "));
    row.set("agent", call.agent.as_ref().map(|agent| agent.as_str()));
    row.set("waited_ms", call.waited_ms);
    row.set("rang_ms", call.rang_ms());
    row.set("talked_ms", call.talked_ms);
    row.set("held_ms", call.held_ms);
    row.set("answered", call.answered_unix_ms.and_then(moment));
    row.set("ended", ended);
    row.set("disposition", disposition);
    row.set("reason", reason);
    row.set("ended_by", ended_by);
    let promised = call.promised.and_then(|promised| moment(promised.unix_ms));
    row.set("call_back_promised", promised);
    row
}

/// Such as `ben:no_answer`.
fn tried(one: &Try) -> String {
    let result = match one.end {
        Some(TryEnd::Answered) => "answered".to_owned(),
        Some(TryEnd::Failed(why, _)) => name(&why),
        None => "under_way".to_owned(),
    };
    format!("{}:{result}", one.agent)
}

type Told = (
    Option<String>,
    Option<&'static str>,
    Option<String>,
    Option<String>,
);

/// When it ended, what became of it, why, and who ended it.
fn ending(call: &Call) -> Told {
    let Some((ended, how)) = call.end else {
        return (None, None, None, None);
    };
    let (disposition, reason, by) = match how {
        Ending::Served(cause, by) => ("served", Some(name(&cause)), by.map(|by| name(&by))),
        Ending::Refused(_, why) => ("refused", Some(name(&why)), None),
        Ending::Redirected(when) => ("redirected", when.as_ref().map(name), None),
        Ending::Abandoned => ("abandoned", None, None),
        Ending::Lost => ("lost", None, None),
    };
    (moment(ended), Some(disposition), reason, by)
}
