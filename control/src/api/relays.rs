//! The relays, and the sessions that live on them.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use futures_util::future::join_all;
use patchbay_route::session::SessionView;
use serde::Serialize;

use super::body::Params;
use super::paging::{Asked, ListParams, as_listed, by_key};
use super::problem::{Failure, Problem};
use super::{Shared, schema};
use crate::link::RelayClient;
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
#[utoipa::path(get, path = "/sessions", tag = "relays", params(ListParams),
    responses((status = 200, description = "A page, by relay", body = schema::Sessions)))]
pub async fn sessions(
    State(shared): State<Shared>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> (HeaderMap, Json<Sessions>) {
    let ask = |relay: &RelayClient| {
        let relay = relay.clone();
        async move { (relay.base().to_owned(), relay.sessions().await) }
    };
    let mut sessions = Vec::new();
    let mut unreachable = Vec::new();
    for (relay, answer) in join_all(shared.api.relays.iter().map(ask)).await {
        match answer {
            Ok(list) => sessions.extend(list.sessions.into_iter().map(|session| Session {
                relay: relay.clone(),
                session,
            })),
            Err(error) => unreachable.push(Unreachable {
                relay,
                error: error.to_string(),
            }),
        }
    }
    let page = by_key(sessions, &params, |one| {
        format!("{} {}", one.relay, one.session.id)
    });
    let sessions = page.items;
    let shown = Sessions {
        sessions,
        unreachable,
    };
    (asked.next("after", page.next), Json(shown))
}

/// The relays as this node sees them.
#[utoipa::path(get, path = "/relays", tag = "relays", params(ListParams),
    responses(
        (status = 200, description = "A page, in the order of the configuration", body = Vec<RelayView>),
        (status = 410, description = "What the page comes after is not in the list any more", body = Problem)))]
pub async fn relays(
    State(node): State<NodeHandle>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Vec<RelayView>>), Failure> {
    let relays = node.relays().await?;
    let page = as_listed(relays, &params, |relay| relay.url.clone())?;
    Ok((asked.next("after", page.next), Json(page.items)))
}
