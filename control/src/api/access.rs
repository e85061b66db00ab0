//! What every request passes: the token, the time limit; and what no route takes.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::{Failure, Kind};
use super::{Shared, limits, page, socket};

/// Paths that say nothing about the centre and are open to all who reach the listener.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz") || page::is_part(path)
}

/// Lets pass who shows the token.
pub async fn need_token(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let given = bearer(request.headers()).or_else(|| socket::bearer(request.headers()));
    let known = given.is_some_and(|given| shared.api.token.matches(given));
    if known || is_open(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let detail = "send the content of the file api-token in the data directory of the control \
                  node as `Authorization: Bearer TOKEN`";
    Err(Failure::new(Kind::Unauthorized, detail))
}

/// The token of RFC 6750 section 2.1; the scheme's name knows no case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Gives a request no more than its time. The body of an answer may take longer.
pub async fn in_time(request: Request, next: Next) -> Result<Response, Failure> {
    tokio::time::timeout(limits::REQUEST_TIME, next.run(request))
        .await
        .map_err(|_| {
            Failure::new(
                Kind::Timeout,
                "the control node is overloaded; try again later",
            )
        })
}

/// A path that does not exist.
pub async fn not_found(uri: Uri) -> Failure {
    let detail = format!(
        "there is no {}; /api/v1/openapi.json lists what there is",
        uri.path()
    );
    Failure::new(Kind::NotFound, detail)
}

/// A path that exists, but not with this method; axum adds the Allow header.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    Failure::new(
        Kind::MethodNotAllowed,
        format!("{} cannot be used with {method}", uri.path()),
    )
}
