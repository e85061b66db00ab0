//! The declarations that were applied, with the one in force.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{Id, Params};
use super::limits::DEFAULT_PAGE;
use super::paging::Asked;
use super::problem::{Failure, Kind, Problem};
use super::{declaration, schema};
use crate::store::{Store, Version};

/// Which versions.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Versions older than this: `next_before` of the page before.
    before: Option<u64>,
    /// Versions on the page, 1 to 50; default 50.
    limit: Option<u64>,
}

/// Versions of the declaration.
#[derive(Serialize, ToSchema)]
pub struct Versions {
    /// Newest first; of the first page the first is in force.
    versions: Vec<Version>,
    /// Where the next page begins; null on the last one.
    next_before: Option<u64>,
}

/// One version of the declaration.
#[derive(Serialize, ToSchema)]
pub struct Kept {
    #[serde(flatten)]
    version: Version,
    /// The declaration, without passwords.
    #[schema(value_type = schema::Declaration)]
    declaration: Value,
}

/// The declarations that were applied, newest first. The last 50 are kept.
#[utoipa::path(get, path = "/centre/versions", tag = "declaration", params(ListParams),
    responses((status = 200, description = "A page", body = Versions)))]
pub async fn list(
    State(store): State<Store>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Versions>), Failure> {
    let usual = u64::try_from(DEFAULT_PAGE).unwrap_or(u64::MAX);
    let limit = params.limit.unwrap_or(usual).max(1);
    let versions = store.versions(params.before, limit).await?;
    let oldest = versions.last().map(|last| last.version);
    let more = match oldest {
        Some(oldest) => !store.versions(Some(oldest), 1).await?.is_empty(),
        None => false,
    };
    let next_before = oldest.filter(|_| more);
    let next = asked.next("before", next_before.map(|number| number.to_string()));
    let page = Versions {
        versions,
        next_before,
    };
    Ok((next, Json(page)))
}

/// One declaration that was applied, without passwords. It can be sent back to be applied again:
/// agents that are still declared keep the passwords that they have now.
#[utoipa::path(get, path = "/centre/versions/{version}", tag = "declaration",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, description = "As it was applied", body = Kept),
        (status = 404, description = "There is none, or it is no longer kept", body = Problem)))]
pub async fn get(State(store): State<Store>, Id(version): Id<u64>) -> Result<Json<Kept>, Failure> {
    let found = store.version(version).await?;
    let (version, centre) = found
        .ok_or_else(|| Failure::new(Kind::NotFound, format!("no version {version} is kept")))?;
    Ok(Json(Kept {
        version,
        declaration: declaration::shown(&centre),
    }))
}
