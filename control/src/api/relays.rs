//! The relays, and the sessions that live on them.

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use patchbay_route::session::SessionView;
use serde::Serialize;

use super::problem::Failure;
use super::{Shared, schema};
use crate::node::{NodeHandle, RelayView};

/// A session with the relay that has it.
#[derive(Serialize)]
pub struct Session {
    relay: String,
    #[serde(flatten)]
    session: SessionView,
}

/// All live sessions, as the relays know them.
#[derive(Serialize)]
pub struct Sessions {
    sessions: Vec<Session>,
    unreachable: Vec<Unreachable>,
}

/// A relay whose sessions are not known.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Unreachable {
    /// Base URL of the relay's private API.
    relay: String,
    /// Why.
    error: String,
}

/// The live sessions: what each relay's routing table holds at this moment.
#[utoipa::path(get, path = "/sessions", tag = "relays",
    responses((status = 200, description = "By relay", body = schema::Sessions)))]
pub async fn sessions(State(shared): State<Shared>) -> Json<Sessions> {
    let asked = shared
        .api
        .relays
        .iter()
        .map(|relay| async move { (relay.base().to_owned(), relay.sessions().await) });
    let mut all = Sessions {
        sessions: Vec::new(),
        unreachable: Vec::new(),
    };
    for (relay, answer) in join_all(asked).await {
        match answer {
            Ok(list) => all
                .sessions
                .extend(list.sessions.into_iter().map(|session| Session {
                    relay: relay.clone(),
                    session,
                })),
            Err(error) => all.unreachable.push(Unreachable {
                relay,
                error: error.to_string(),
            }),
        }
    }
    Json(all)
}

/// The relays as this node sees them.
#[utoipa::path(get, path = "/relays", tag = "relays",
    responses((status = 200, description = "In the order of the configuration", body = Vec<RelayView>)))]
pub async fn relays(State(node): State<NodeHandle>) -> Result<Json<Vec<RelayView>>, Failure> {
    Ok(Json(node.relays().await?))
}
