//! Queues with those who wait.

use axum::Json;
use axum::extract::State;
use patchbay_core::QueueId;
use patchbay_core::snapshot::QueueView;

use super::body::Id;
use super::problem::{Failure, Kind, Problem};
use super::schema;
use crate::node::NodeHandle;

/// All queues with the contacts that wait in them.
#[utoipa::path(get, path = "/queues", tag = "queues",
    responses((status = 200, description = "In the order of the declaration", body = Vec<schema::QueueView>)))]
pub async fn list(State(node): State<NodeHandle>) -> Result<Json<Vec<QueueView>>, Failure> {
    Ok(Json(node.snapshot().await?.queues))
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
