//! Whether the process lives, and whether it would serve a call.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::node::{NodeHandle, Readiness};

/// The process lives.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The version that runs.
    version: &'static str,
}

/// Whether a call would be served now.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Ready {
    /// True when nothing is missing.
    ready: bool,
    /// What is missing, in words.
    missing: Vec<&'static str>,
    /// Part by part.
    parts: Readiness,
}

/// Says that the process lives; needs no token.
#[utoipa::path(get, path = "/healthz", tag = "process", security(()),
    responses((status = 200, description = "It lives", body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Says whether a call would be served now, and what is missing; needs no token.
#[utoipa::path(get, path = "/readyz", tag = "process", security(()),
    responses(
        (status = 200, description = "Nothing is missing", body = Ready),
        (status = 503, description = "Something is missing", body = Ready)))]
pub async fn readyz(State(node): State<NodeHandle>) -> (StatusCode, Json<Ready>) {
    let parts = node.ready();
    let ready = parts.ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(Ready {
            ready,
            missing: missing(&parts),
            parts,
        }),
    )
}

fn missing(parts: &Readiness) -> Vec<&'static str> {
    [
        (!parts.sip, "the control node is starting or stopping"),
        (
            !parts.relay_link,
            "no relay is connected; is it running, and in control.allowed_relays?",
        ),
        (
            !parts.store,
            "the store refused the last write; the log says why",
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, text)| wrong.then_some(text))
    .collect()
}
