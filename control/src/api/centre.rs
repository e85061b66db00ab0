//! The declaration as a whole.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use patchbay_core::Centre;
use serde::Deserialize;
use serde_json::Value;

use super::audited::Done;
use super::body::{Params, json, need_media_type, read};
use super::limits::MAX_DECLARATION_BYTES;
use super::problem::{Failure, Fault, Kind, Problem};
use super::{Shared, declaration, schema};
use crate::node::{Applied, compare};
use crate::store::MAX_COMMENT_BYTES;

const JSON: &str = "application/json";
const TOML: &str = "application/toml";

/// How a declaration is applied.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PutParams {
    /// Check it and say what it would change, but change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Why it is applied; kept with the version. At most 512 bytes, without control characters.
    comment: Option<String>,
}

/// The declaration in force, without passwords. Its revision is the ETag.
#[utoipa::path(get, path = "/centre", tag = "declaration",
    responses((status = 200, description = "Can be sent back as it is", body = schema::Declaration,
        headers(("ETag" = String, description = "The revision, for If-Match")))))]
pub async fn get(State(shared): State<Shared>) -> Result<Response, Failure> {
    let _turn = shared.editing.lock().await;
    let centre = shared.api.node.centre().await;
    Ok((etag(&shared).await?, Json(declaration::shown(&centre))).into_response())
}

/// Applies a declaration, which replaces the one in force; applying it twice changes nothing.
///
/// An agent with `password_set: true` and without a `password` keeps the one it has. Live contacts
/// are kept. With If-Match the declaration is applied only if nothing else was applied meanwhile.
#[utoipa::path(put, path = "/centre", tag = "declaration", params(PutParams),
    request_body(content((schema::Declaration = "application/json"), (String = "application/toml")),
        description = "As JSON, or a centre.toml as it is"),
    responses(
        (status = 200, description = "What it changed", body = Applied),
        (status = 400, description = "Neither JSON nor TOML", body = Problem),
        (status = 412, description = "If-Match names another revision", body = Problem),
        (status = 413, description = "Too large", body = Problem),
        (status = 415, description = "Of another type", body = Problem),
        (status = 422, description = "Not valid; `errors` lists every fault", body = Problem)))]
pub async fn put(
    State(shared): State<Shared>,
    Params(params): Params<PutParams>,
    request: Request,
) -> Result<Response, Failure> {
    check_comment(params.comment.as_deref())?;
    let condition = request.headers().get(header::IF_MATCH).cloned();
    let kind = need_media_type(request.headers(), &[JSON, TOML])?;
    let body = read(request, MAX_DECLARATION_BYTES).await?;
    let value = if kind == TOML {
        toml(&body)?
    } else {
        json(&body)?
    };
    let _turn = shared.editing.lock().await;
    check_condition(&shared, condition).await?;
    let before = shared.api.node.centre().await;
    let centre = declaration::read(value, &before)?;
    let applied = match params.dry_run {
        true => compare(&before, &centre),
        false => {
            shared
                .api
                .node
                .apply_saying(centre, params.comment.as_deref())
                .await?
        }
    };
    let revision = etag(&shared).await?;
    let done = match params.dry_run {
        true => Done("only checked".to_owned()),
        false => done(&shared, &applied).await?,
    };
    Ok((revision, Extension(done), Json(applied)).into_response())
}

fn check_comment(comment: Option<&str>) -> Result<(), Failure> {
    let Some(comment) = comment else {
        return Ok(());
    };
    if comment.len() <= MAX_COMMENT_BYTES && !comment.chars().any(char::is_control) {
        return Ok(());
    }
    let message = "the comment is too long or holds a control character";
    let remedy = format!("use at most {MAX_COMMENT_BYTES} bytes of text");
    Err(Failure::invalid(vec![Fault::new(
        "comment", message, remedy,
    )]))
}

fn toml(body: &[u8]) -> Result<Value, Failure> {
    let malformed = |error: &dyn std::fmt::Display| {
        Failure::new(Kind::Malformed, format!("the body is not TOML: {error}"))
    };
    let text = std::str::from_utf8(body).map_err(|error| malformed(&error))?;
    toml::from_str(text).map_err(|error: toml::de::Error| malformed(&error))
}

async fn revision(shared: &Shared) -> Result<String, Failure> {
    Ok(format!("\"{}\"", shared.api.store.centre_revision().await?))
}

async fn etag(shared: &Shared) -> Result<HeaderMap, Failure> {
    let value = HeaderValue::try_from(revision(shared).await?);
    Ok(value
        .map(|value| (header::ETAG, value))
        .into_iter()
        .collect())
}

async fn check_condition(shared: &Shared, condition: Option<HeaderValue>) -> Result<(), Failure> {
    let Some(wanted) = condition else {
        return Ok(());
    };
    let wanted = wanted.to_str().unwrap_or("").to_owned();
    let current = revision(shared).await?;
    if wanted == "*" || wanted.split(',').any(|tag| tag.trim() == current) {
        return Ok(());
    }
    let detail =
        format!("the revision in force is {current}; read it again, and repeat the change");
    Err(Failure::new(Kind::Changed, detail))
}

/// What was applied, for the audit log.
async fn done(shared: &Shared, applied: &Applied) -> Result<Done, Failure> {
    let version = shared.api.store.centre_revision().await?;
    let [added, changed, removed] =
        [&applied.added, &applied.changed, &applied.removed].map(Vec::len);
    Ok(Done(format!(
        "version {version}: {added} added, {changed} changed, {removed} removed"
    )))
}

/// Applies a declaration that differs in a part; `shared.editing` must be held.
pub async fn apply(
    shared: &Shared,
    centre: Centre,
) -> Result<(Extension<Done>, Json<Applied>), Failure> {
    let applied = shared.api.node.apply(centre).await?;
    let done = done(shared, &applied).await?;
    Ok((Extension(done), Json(applied)))
}
