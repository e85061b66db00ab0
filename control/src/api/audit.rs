//! The audit log, read.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Params;
use super::limits::DEFAULT_PAGE;
use super::paging::Asked;
use super::problem::{Failure, Problem};
use super::reading::moment;
use super::reports::{CSV, Format, accepted};
use crate::store::{AuditFilter, AuditRow, MAX_AUDIT_READ, Store};
use crate::table::{Cell, Row};

/// Which entries, and how.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Entries older than this: `Link` with `rel="next"` of the page before has it.
    before: Option<u64>,
    /// Entries on the page, 1 to 1000; default 50.
    limit: Option<usize>,
    /// Only those of this token, by its identifier; `bootstrap` is that of the data directory.
    token: Option<String>,
    /// From when: RFC 3339, a day (midnight UTC), or milliseconds of Unix time.
    from: Option<String>,
    /// Until when, not included; in the same forms.
    to: Option<String>,
    /// `json` or `csv`; default: what Accept asks for, else JSON.
    #[param(inline)]
    format: Option<Format>,
}

/// Entries of the audit log.
#[derive(Serialize, ToSchema)]
pub struct Audit {
    /// Newest first.
    entries: Vec<AuditRow>,
}

/// Who changed what, and who was not allowed to: newest first.
#[utoipa::path(get, path = "/audit", tag = "tokens", params(AuditParams),
    responses(
        (status = 200, description = "A page", content(
            (Audit = "application/json"), (String = "text/csv"))),
        (status = 400, description = "The query cannot be read", body = Problem)))]
pub async fn list(
    State(store): State<Store>,
    Params(params): Params<AuditParams>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let at = |name, text: Option<&str>| text.map(|text| moment(name, text)).transpose();
    let filter = AuditFilter {
        before: params.before,
        from: at("from", params.from.as_deref())?,
        to: at("to", params.to.as_deref())?,
        token: params.token,
    };
    let limit = params
        .limit
        .unwrap_or(DEFAULT_PAGE)
        .clamp(1, MAX_AUDIT_READ);
    let entries = store.audit(&filter, limit).await?;
    let oldest = entries.last().map(|last| last.number);
    let next = oldest.filter(|_| entries.len() == limit);
    let next = asked.next("before", next.map(|number| number.to_string()));
    Ok(match params.format.unwrap_or_else(|| accepted(&headers)) {
        Format::Json => (next, Json(Audit { entries })).into_response(),
        Format::Csv => (next, [(header::CONTENT_TYPE, CSV)], csv(&entries)).into_response(),
    })
}

const COLUMNS: [&str; 11] = [
    "number",
    "unix_ms",
    "token",
    "name",
    "role",
    "source",
    "method",
    "path",
    "status",
    "what",
    "request_id",
];

fn csv(entries: &[AuditRow]) -> String {
    let mut text = format!("{}\r\n", COLUMNS.join(","));
    for AuditRow { number, entry } in entries {
        let cells: [Cell; 11] = [
            (*number).into(),
            entry.unix_ms.into(),
            entry.token.as_str().into(),
            entry.name.as_str().into(),
            entry.role.as_str().into(),
            entry.source.as_str().into(),
            entry.method.as_str().into(),
            entry.path.as_str().into(),
            u64::from(entry.status).into(),
            entry.what.as_deref().into(),
            entry.request_id.as_str().into(),
        ];
        let row = Row(COLUMNS.into_iter().zip(cells).collect());
        text.push_str(&row.line());
    }
    text
}
