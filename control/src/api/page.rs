//! The status page: three files without data, which then ask the API with the token.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;

use super::Shared;

/// Nothing but our own files; nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/status.css");
const SCRIPT: &str = include_str!("page/status.js");

type File = ([(HeaderName, &'static str); 5], &'static str);

fn file(kind: &'static str, content: &'static str) -> File {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, content)
}

/// Whether a path is one of the page's files.
pub fn is_part(path: &str) -> bool {
    matches!(path, "/" | "/status.css" | "/status.js")
}

/// The page's files.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/",
            get(|| async { file("text/html; charset=utf-8", HTML) }),
        )
        .route(
            "/status.css",
            get(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        .route(
            "/status.js",
            get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }),
        )
}
