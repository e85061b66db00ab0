//! Records of finished contacts, told while they are read from the events.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use patchbay_core::centre::{Agent, Queue};
use patchbay_core::{Centre, ContactId};
use serde::Deserialize;

use super::body::Params;
use super::problem::{Failure, Problem};
use super::reading::{Reading, range};
use super::reports::CSV;
use super::{Shared, schema};
use crate::node::{StoredEvent, unix_ms};
use crate::records::{Memberships, QueueLog, cdr, record};
use crate::story::{Call, Calls};

/// Which records, and how.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordParams {
    /// Contacts that arrived from then on: RFC 3339, a day (midnight UTC), or milliseconds of Unix time.
    /// Default: a day before `to`.
    from: Option<String>,
    /// Contacts that arrived before; in the same forms. Default: now.
    to: Option<String>,
    /// `json` (default), `csv`, `queue_log` or `cdr`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// The forms of records.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A list of objects.
    #[default]
    Json,
    /// The same as CSV.
    Csv,
    /// Asterisk's queue_log.
    QueueLog,
    /// Asterisk's cdr-csv.
    Cdr,
}

/// One record for each contact that arrived in the range and is over, in the order of their ends.
///
/// `queue_log` is the text format of Asterisk's app_queue, `cdr` the columns of its cdr-csv. With either
/// a contact is in the range that it arrived in, with all of its lines.
#[utoipa::path(get, path = "/records", tag = "reports", params(RecordParams),
    responses(
        (status = 200, description = "The records", content(
            (Vec<schema::Record> = "application/json"), (String = "text/csv"),
            (String = "text/plain"))),
        (status = 400, description = "The query cannot be read", body = Problem),
        (status = 503, description = "As many are being read as may be", body = Problem)))]
pub async fn get(
    State(shared): State<Shared>,
    Params(params): Params<RecordParams>,
) -> Result<Response, Failure> {
    let now = unix_ms();
    let range = range(params.from.as_deref(), params.to.as_deref(), now)?;
    let reading = Reading::open(&shared, range).await?;
    let writer = match params.format {
        Format::QueueLog => {
            let queues = memberships(shared.api.node.centre().await.as_ref());
            let mut log = QueueLog::new(range, queues);
            for stored in reading.before().await? {
                log.before(&stored.event);
            }
            Writer::Log(Box::new(log))
        }
        format => Writer::Calls(Box::new(Records {
            calls: Calls::new(range),
            format,
            begun: false,
        })),
    };
    let kind = match params.format {
        Format::Json => "application/json",
        Format::Csv | Format::Cdr => CSV,
        Format::QueueLog => "text/plain; charset=utf-8",
    };
    let told = Telling {
        reading,
        writer,
        now,
        over: false,
    };
    let body = stream::unfold(told, |mut told| async {
        let text = told.next().await?;
        Some((text, told))
    });
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

/// The queues that each agent serves.
fn memberships(centre: &Centre) -> Memberships {
    let serves = |agent: &Agent, queue: &Queue| {
        let named = agent.queues.as_ref();
        named.is_none_or(|named| named.contains(&queue.id))
    };
    let of = |agent: &Agent| {
        let served = centre.queues.iter().filter(|queue| serves(agent, queue));
        served.map(|queue| queue.id.clone()).collect()
    };
    let agents = centre.agents.iter();
    agents
        .map(|agent| (agent.id.clone(), of(agent)))
        .collect::<BTreeMap<_, _>>()
}

/// Records on their way.
struct Telling {
    reading: Reading,
    writer: Writer,
    now: u64,
    over: bool,
}

impl Telling {
    /// What the next events come to; none after the end. An error breaks the answer off, so that nobody
    /// takes a part for the whole.
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        if self.over {
            return None;
        }
        match self.reading.next(self.writer.settled()).await {
            Ok(Some(page)) => Some(Ok(Bytes::from(self.writer.page(page)))),
            Ok(None) => {
                self.over = true;
                Some(Ok(Bytes::from(self.writer.end(self.now))))
            }
            Err(failure) => {
                tracing::error!(?failure, "records break off");
                self.over = true;
                Some(Err(std::io::Error::other("the events cannot be read")))
            }
        }
    }
}

enum Writer {
    Calls(Box<Records>),
    Log(Box<QueueLog>),
}

impl Writer {
    fn settled(&self) -> bool {
        match self {
            Writer::Calls(records) => records.calls.open() == 0,
            Writer::Log(log) => log.settled(),
        }
    }

    fn page(&mut self, page: Vec<StoredEvent>) -> String {
        let events = page.iter().map(|stored| &stored.event);
        match self {
            Writer::Calls(records) => {
                let over: Vec<Call> = events.flat_map(|e| records.calls.take(e)).collect();
                records.write(&over)
            }
            Writer::Log(log) => events.map(|event| log.take(event)).collect(),
        }
    }

    fn end(&mut self, now: u64) -> String {
        match self {
            Writer::Calls(records) => records.end(now),
            Writer::Log(_) => String::new(),
        }
    }
}

struct Records {
    calls: Calls,
    format: Format,
    /// Something was written.
    begun: bool,
}

impl Records {
    fn write(&mut self, over: &[Call]) -> String {
        let mut text = String::new();
        for call in over {
            match self.format {
                Format::Json => {
                    text.push_str(if self.begun { ",\n" } else { "[" });
                    // Cells can be written as JSON.
                    text.push_str(&serde_json::to_string(&record(call)).unwrap_or_default());
                }
                Format::Csv => {
                    let row = record(call);
                    if !self.begun {
                        text.push_str(&row.head());
                    }
                    text.push_str(&row.line());
                }
                Format::Cdr | Format::QueueLog => text.push_str(&cdr(call)),
            }
            self.begun = true;
        }
        text
    }

    fn end(&mut self, now: u64) -> String {
        let lost = self.calls.finish(now);
        let mut text = self.write(&lost);
        match (self.format, self.begun) {
            (Format::Json, true) => text.push_str("]\n"),
            (Format::Json, false) => text.push_str("[]\n"),
            (Format::Csv, false) => text.push_str(&record(&Call::new(ContactId(0), 0)).head()),
            _ => {}
        }
        text
    }
}
