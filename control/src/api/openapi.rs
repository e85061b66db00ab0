//! The OpenAPI document.

use axum::Json;
use axum::response::IntoResponse;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

const ABOUT: &str = "Declares the centre, shows what happens in it, and says why.\n\n\
    All paths but `/healthz` and `/readyz` need `Authorization: Bearer TOKEN`; the token is the \
    content of the file `api-token` in the data directory of the control node. Errors are problem \
    documents (RFC 9457). Times are milliseconds of Unix time where their name says `unix_ms`, and \
    durations are in the unit that their name says.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Patchbay control API", description = ABOUT),
    security(("token" = [])),
    modifiers(&Token),
    tags(
        (name = "declaration", description = "Queues, agents and rules as one declaration"),
        (name = "agents", description = "Who serves contacts"),
        (name = "queues", description = "Where contacts wait"),
        (name = "rules", description = "What an arriving contact is"),
        (name = "contacts", description = "Who is there, and who was"),
        (name = "relays", description = "The relays and the sessions on them"),
        (name = "trace", description = "The signalling of calls"),
        (name = "events", description = "Everything that happens"),
        (name = "reports", description = "How contacts and agents fared, and records of them"),
        (name = "process", description = "For those who run it")
    )
)]
struct Base;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Default::default);
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

/// The document without its paths.
pub fn base() -> Document {
    let mut document = Base::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document
}

/// The whole document.
#[must_use]
pub fn document() -> Document {
    super::documented().into_openapi()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "process",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub async fn get() -> impl IntoResponse {
    Json(document())
}
