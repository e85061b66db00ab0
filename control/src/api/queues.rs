//! Queues with those who wait.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use patchbay_core::QueueId;
use patchbay_core::snapshot::QueueView;

use super::body::{Id, Params};
use super::paging::{Asked, ListParams, as_listed};
use super::problem::{Failure, Kind, Problem};
use super::schema;
use crate::node::NodeHandle;

/// All queues with the contacts that wait in them.
#[utoipa::path(get, path = "/queues", tag = "queues", params(ListParams),
    responses(
        (status = 200, description = "A page, in the order of the declaration",
            body = Vec<schema::QueueView>),
        (status = 410, description = "What the page comes after is not in the list any more", body = Problem)))]
pub async fn list(
    State(node): State<NodeHandle>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Vec<QueueView>>), Failure> {
    let queues = node.snapshot().await?.queues;
    let page = as_listed(queues, &params, |queue| queue.id.to_string())?;
    Ok((asked.next("after", page.next), Json(page.items)))
}

/// One queue.
#[utoipa::path(get, path = "/queues/{id}", tag = "queues",
    params(("id" = String, Path, description = "The queue")),
    responses(
        (status = 200, description = "The queue", body = schema::QueueView),
        (status = 404, description = "No such queue", body = Problem)))]
pub async fn get(
    State(node): State<NodeHandle>,
    Id(id): Id<QueueId>,
) -> Result<Json<QueueView>, Failure> {
    let queues = node.snapshot().await?.queues;
    let queue = queues.into_iter().find(|queue| queue.id == id);
    queue
        .map(Json)
        .ok_or_else(|| Failure::new(Kind::NotFound, format!("no queue `{id}`")))
}
