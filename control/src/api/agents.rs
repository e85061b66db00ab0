//! Agents: declaration, state, devices.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use patchbay_core::snapshot::AgentView;
use patchbay_core::{AgentId, Status};
use serde::Serialize;
use serde_json::Value;

use super::audited::Done;
use super::body::{Id, JsonBody, Params, json, need_media_type, read};
use super::limits::MAX_BODY_BYTES;
use super::paging::{Asked, ListParams, by_key};
use super::problem::{Failure, Kind, Problem};
use super::{Shared, centre, declaration, schema};
use crate::node::{Applied, BindingView, NodeHandle};

/// One agent with everything known of it.
#[derive(Serialize)]
pub struct Agent {
    #[serde(flatten)]
    state: AgentView,
    /// Absent for one that only its last call keeps.
    declaration: Option<Value>,
    devices: Vec<BindingView>,
}

fn unknown(id: &AgentId) -> Failure {
    Failure::new(Kind::NotFound, format!("no agent `{id}` is declared"))
}

/// All agents with what they are doing.
#[utoipa::path(get, path = "/agents", tag = "agents", params(ListParams),
    responses((status = 200, description = "A page, by identifier", body = Vec<schema::AgentView>)))]
pub async fn list(
    State(node): State<NodeHandle>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Vec<AgentView>>), Failure> {
    let agents = node.snapshot().await?.agents;
    let page = by_key(agents, &params, |agent| agent.id.to_string());
    Ok((asked.next("after", page.next), Json(page.items)))
}

/// One agent with its declaration and its devices.
#[utoipa::path(get, path = "/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent")),
    responses(
        (status = 200, description = "The agent", body = schema::Agent),
        (status = 404, description = "No such agent", body = Problem)))]
pub async fn get(
    State(node): State<NodeHandle>,
    Id(id): Id<AgentId>,
) -> Result<Json<Agent>, Failure> {
    let agents = node.snapshot().await?.agents;
    let state = agents
        .into_iter()
        .find(|agent| agent.id == id)
        .ok_or_else(|| unknown(&id))?;
    let centre = node.centre().await;
    let declared = centre.agents.iter().find(|agent| agent.id == id);
    Ok(Json(Agent {
        state,
        declaration: declared.map(declaration::shown_agent),
        devices: node.bindings(id).await?,
    }))
}

/// Declares an agent or changes its declaration; the rest of the declaration stays.
#[utoipa::path(put, path = "/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent")),
    request_body = schema::AgentDeclaration,
    responses(
        (status = 200, description = "Changed, or the same as before", body = Applied),
        (status = 201, description = "Declared", body = Applied),
        (status = 422, description = "Not valid; `errors` lists every fault", body = Problem)))]
pub async fn put(
    State(shared): State<Shared>,
    Id(id): Id<AgentId>,
    request: Request,
) -> Result<impl IntoResponse, Failure> {
    need_media_type(request.headers(), &["application/json"])?;
    let value = json(&read(request, MAX_BODY_BYTES).await?)?;
    let _turn = shared.editing.lock().await;
    let mut changed = (*shared.api.node.centre().await).clone();
    let agent = declaration::read_agent(id.as_str(), value, &changed)?;
    let status = match changed.agents.iter_mut().find(|old| old.id == id) {
        Some(old) => {
            *old = agent;
            StatusCode::OK
        }
        None => {
            changed.agents.push(agent);
            StatusCode::CREATED
        }
    };
    Ok((status, centre::apply(&shared, changed).await?))
}

/// Removes an agent from the declaration. A call that it is in goes on.
#[utoipa::path(delete, path = "/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent")),
    responses(
        (status = 200, description = "Removed", body = Applied),
        (status = 404, description = "No such agent", body = Problem)))]
pub async fn delete(
    State(shared): State<Shared>,
    Id(id): Id<AgentId>,
) -> Result<impl IntoResponse, Failure> {
    let _turn = shared.editing.lock().await;
    let mut changed = (*shared.api.node.centre().await).clone();
    let before = changed.agents.len();
    changed.agents.retain(|agent| agent.id != id);
    match changed.agents.len() == before {
        true => Err(unknown(&id)),
        false => centre::apply(&shared, changed).await,
    }
}

/// Sets whether an agent takes contacts. `ready` also ends its wrap-up.
#[utoipa::path(post, path = "/agents/{id}/status", tag = "agents",
    params(("id" = String, Path, description = "The agent")),
    request_body = schema::Status,
    responses(
        (status = 204, description = "Set"),
        (status = 404, description = "No such agent", body = Problem),
        (status = 422, description = "No such status", body = Problem)))]
pub async fn set_status(
    State(node): State<NodeHandle>,
    Id(id): Id<AgentId>,
    JsonBody(status): JsonBody<Status>,
) -> Result<(StatusCode, Extension<Done>), Failure> {
    let done = Done(serde_json::to_string(&status).unwrap_or_default());
    node.set_agent_status(id, status).await?;
    Ok((StatusCode::NO_CONTENT, Extension(done)))
}
