//! Links that open finer links to groups of agents (requirement D15), with who is there (D1).

use axum::Json;
use axum::extract::State;
use patchbay_core::limits::{MAX_CHOICE_WORDS, MAX_SUBJECT_BYTES};
use patchbay_core::tier::Tier;
use patchbay_core::{Facts, Slot};
use serde::Deserialize;

use super::body::Params;
use super::problem::{Failure, Kind, Problem};
use super::schema;
use crate::node::NodeHandle;
use crate::signalling::words_of_link;

/// Which link.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinkParams {
    /// The URI that would be called, such as `sip:help@example.com`.
    to: String,
    /// The words that were chosen so far, tier by tier, with dots between: `support.invoices`. Default: none.
    #[serde(default)]
    choice: String,
    /// In which medium: `call` (default), `video`, `chat`, `call_back` or `browsing`.
    #[serde(default)]
    #[param(value_type = Option<String>, pattern = "^(call|video|chat|call_back|browsing)$")]
    medium: Slot,
}

/// What a link opens: a menu with finer links, or a group of agents with how many are free, how many
/// contacts wait and for how long. The same rules say so that type contacts, as far as the URI called, the
/// medium, the time and the choices decide.
///
/// A call to the URI with the parameter `choice`, such as `sip:help@example.com;choice=support.invoices`, is
/// asked only what its link left open.
#[utoipa::path(get, path = "/links", tag = "links", params(LinkParams),
    responses(
        (status = 200, description = "What is there", body = schema::Tier),
        (status = 400, description = "No such link could be", body = Problem),
        (status = 404, description = "A word is no choice there", body = Problem)))]
pub async fn get(
    State(node): State<NodeHandle>,
    Params(params): Params<LinkParams>,
) -> Result<Json<Tier>, Failure> {
    if params.to.is_empty() || params.to.len() > MAX_SUBJECT_BYTES {
        let detail = format!("to: give a URI of at most {MAX_SUBJECT_BYTES} bytes");
        return Err(Failure::new(Kind::Malformed, detail));
    }
    let choice = words_of_link(&params.choice).ok_or_else(|| {
        let detail = format!("choice: give at most {MAX_CHOICE_WORDS} words with dots between");
        Failure::new(Kind::Malformed, detail)
    })?;
    let facts = Facts {
        request_uri: params.to.clone(),
        to: params.to,
        medium: Some(params.medium),
        choice,
        ..Facts::default()
    };
    let tier = node.tier(facts).await?;
    tier.map(Json).ok_or_else(|| {
        let detail = format!(
            "`{}` leads nowhere: a word of it is no choice there",
            params.choice
        );
        Failure::new(Kind::NotFound, detail)
    })
}
