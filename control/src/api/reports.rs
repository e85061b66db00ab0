//! Reports: service level, waiting, handling and occupancy, computed from the events.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::body::Params;
use super::limits::{DEFAULT_STEP_S, DEFAULT_THRESHOLD_S, MAX_THRESHOLD_S};
use super::problem::{Failure, Kind, Problem};
use super::reading::{Reading, range};
use super::{Shared, schema};
use crate::node::unix_ms;
use crate::report::{By, Fold, MAX_ROWS, Terms, TooManyRows, head, row};
use crate::table::Row;

/// Media type of CSV with a line of names (RFC 4180 section 3).
pub const CSV: &str = "text/csv; charset=utf-8; header=present";

/// What is asked.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportParams {
    /// From when: RFC 3339, a day (midnight UTC), or milliseconds of Unix time. Default: a day before
    /// `to`.
    from: Option<String>,
    /// Until when, not included; in the same forms. Default: now.
    to: Option<String>,
    /// Rows for each step of so many seconds from `from` on. Default: 3600 for `hours`; one for the whole
    /// range for the others.
    step: Option<u64>,
    /// An answer within so many seconds is in time: 0 to 86400, default 20.
    threshold_s: Option<u64>,
    /// `json` or `csv`; default: what Accept asks for, else JSON.
    #[param(inline)]
    format: Option<Format>,
}

/// How rows are written.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As one document.
    Json,
    /// As lines.
    Csv,
}

/// A report.
#[derive(Serialize)]
pub struct Report {
    from_unix_ms: u64,
    to_unix_ms: u64,
    step_s: Option<u64>,
    threshold_s: u64,
    events_from_unix_ms: Option<u64>,
    left_out: u64,
    rows: Vec<Row>,
}

/// A report over a range of time, by queue (`queues`), by agent (`agents`) or by step of time (`hours`).
///
/// A contact is counted where it arrived, the time of agents where it passed. The service level is
/// answered within the threshold / offered; the two others leave short abandons out, or count them as
/// served. Occupancy is (in calls + wrap-up) / (that + time ready and reachable).
#[utoipa::path(get, path = "/reports/{by}", tag = "reports",
    params(("by" = String, Path, description = "`queues`, `agents` or `hours`"), ReportParams),
    responses(
        (status = 200, description = "Rows in order of time and name", content(
            (schema::Report = "application/json"), (String = "text/csv"))),
        (status = 400, description = "The query cannot be read, or asks for too much", body = Problem),
        (status = 404, description = "No such report", body = Problem),
        (status = 410, description = "Events were removed while they were read", body = Problem),
        (status = 503, description = "As many reports are being made as may be", body = Problem)))]
pub async fn get(
    State(shared): State<Shared>,
    Path(by): Path<String>,
    Params(params): Params<ReportParams>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let by = match by.as_str() {
        "queues" => By::Queue,
        "agents" => By::Agent,
        "hours" => By::Time,
        other => {
            let detail = format!("there is no report `{other}`: ask for queues, agents or hours");
            return Err(Failure::new(Kind::NotFound, detail));
        }
    };
    let now = unix_ms();
    let terms = terms(by, &params, now)?;
    let report = make(&shared, terms, now).await?;
    match params.format.unwrap_or_else(|| accepted(&headers)) {
        Format::Json => Ok(Json(report).into_response()),
        Format::Csv => Ok(csv(head(by), &report)),
    }
}

/// What the Accept header asks for.
pub fn accepted(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    match accept.is_some_and(|accept| accept.trim_start().starts_with("text/csv")) {
        true => Format::Csv,
        false => Format::Json,
    }
}

fn terms(by: By, params: &ReportParams, now: u64) -> Result<Terms, Failure> {
    let range = range(params.from.as_deref(), params.to.as_deref(), now)?;
    let wrong = |detail: String| Err(Failure::new(Kind::Malformed, detail));
    let threshold_s = params.threshold_s.unwrap_or(DEFAULT_THRESHOLD_S);
    if threshold_s > MAX_THRESHOLD_S {
        return wrong(format!("`threshold_s` is {MAX_THRESHOLD_S} at most"));
    }
    let usual = (by == By::Time).then_some(DEFAULT_STEP_S);
    let step_ms = params.step.or(usual).map(|s| s.saturating_mul(1_000));
    if step_ms.is_some_and(|ms| ms == 0 || (range.to - range.from) / ms >= MAX_ROWS as u64) {
        return wrong(TooManyRows.to_string());
    }
    Ok(Terms {
        range,
        step_ms,
        threshold_ms: threshold_s * 1_000,
        by,
    })
}

async fn make(shared: &Shared, terms: Terms, now: u64) -> Result<Report, Failure> {
    let mut fold = Fold::new(terms);
    let mut reading = Reading::open(shared, terms.range).await?;
    for stored in reading.before().await? {
        fold.before(&stored.event);
    }
    let too_many = |error: TooManyRows| Failure::new(Kind::Malformed, error.to_string());
    while let Some(page) = reading.next(fold.settled()).await? {
        for stored in page {
            fold.take(&stored.event).map_err(too_many)?;
        }
        // Calls come first.
        tokio::task::yield_now().await;
    }
    let oldest = shared.api.store.oldest().await?;
    let left_out = fold.left_out();
    let rows = fold.finish(now).map_err(too_many)?;
    Ok(Report {
        from_unix_ms: terms.range.from,
        to_unix_ms: terms.range.to,
        step_s: terms.step_ms.map(|ms| ms / 1_000),
        threshold_s: terms.threshold_ms / 1_000,
        events_from_unix_ms: oldest.map(|(_, at)| at),
        left_out,
        rows: rows
            .iter()
            .map(|(key, sums)| row(terms.by, key, sums))
            .collect(),
    })
}

fn csv(head: String, report: &Report) -> Response {
    let mut text = head;
    for row in &report.rows {
        text.push_str(&row.line());
    }
    (StatusCode::OK, [(header::CONTENT_TYPE, CSV)], text).into_response()
}
