//! Rules, and trying them out (requirements A3, G4).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use patchbay_core::centre::Rule;
use patchbay_core::{Explanation, Facts};

use serde::Deserialize;

use super::body::{Params, json, need_media_type, read};
use super::limits::MAX_BODY_BYTES;
use super::paging::{Asked, ListParams, as_listed};
use super::problem::{Failure, Fault, Kind, Problem};
use super::schema;
use crate::node::NodeHandle;
use crate::signalling::facts_of_text;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const SIP: &str = "message/sip";

/// The rules in their order; the first that matches decides.
#[utoipa::path(get, path = "/rules", tag = "rules", params(ListParams),
    responses(
        (status = 200, description = "A page, in their order", body = Vec<schema::RuleDeclaration>),
        (status = 410, description = "What the page comes after is not in the list any more", body = Problem)))]
pub async fn list(
    State(node): State<NodeHandle>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Vec<Rule>>), Failure> {
    let rules = node.centre().await.rules.clone();
    let page = as_listed(rules, &params, |rule| rule.id.to_string())?;
    Ok((asked.next("after", page.next), Json(page.items)))
}

/// When a contact is tried out.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainParams {
    /// The time that hours, calendars and expressions see; default: now.
    at_unix_ms: Option<u64>,
}

/// Says what would happen to a contact now, and why: each rule's verdict, and each agent's.
///
/// The contact is given by its facts, or as the text of an INVITE, whose lines may end in LF alone.
#[utoipa::path(post, path = "/rules/explain", tag = "rules", params(ExplainParams),
    request_body(content((schema::Facts = "application/json"), (String = "message/sip"),
        (String = "text/plain")), description = "Facts, or an INVITE as it is"),
    responses(
        (status = 200, description = "Nothing was changed", body = schema::Explanation),
        (status = 400, description = "Not an INVITE", body = Problem),
        (status = 415, description = "Of another type", body = Problem),
        (status = 422, description = "No such facts", body = Problem)))]
pub async fn explain(
    State(node): State<NodeHandle>,
    Params(params): Params<ExplainParams>,
    request: Request,
) -> Result<Json<Explanation>, Failure> {
    let kind = need_media_type(request.headers(), &[JSON, SIP, TEXT])?;
    let body = read(request, MAX_BODY_BYTES).await?;
    let facts: Facts = match kind.as_str() {
        JSON => serde_json::from_value(json(&body)?)
            .map_err(|error| Failure::invalid(vec![Fault::document(&error)]))?,
        _ => facts_of_text(&body)
            .map_err(|error| Failure::new(Kind::Malformed, format!("the INVITE: {error}")))?,
    };
    Ok(Json(node.explain(facts, params.at_unix_ms).await?))
}
