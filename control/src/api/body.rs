//! Reading requests: paths, queries and bodies whose faults become problem documents.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::limits::MAX_BODY_BYTES;
use super::problem::{Failure, Fault, Kind};

/// The media type of a body, without parameters and in lower case; empty if none is given.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .and_then(|value| value.split(';').next())
        .unwrap_or("");
    essence.trim().to_ascii_lowercase()
}

/// The whole body, `limit` bytes at most.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, Failure> {
    axum::body::to_bytes(request.into_body(), limit)
        .await
        .map_err(|error| {
            // The only error with a source of its own that is not the connection's is the limit.
            let source = std::error::Error::source(&error);
            match source.is_some_and(|source| source.to_string().contains("length limit")) {
                true => Failure::new(Kind::TooLarge, format!("send {limit} bytes at most")),
                false => Failure::new(Kind::Malformed, "the body ended early"),
            }
        })
}

/// A small JSON body.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        need_media_type(request.headers(), &["application/json"])?;
        let body = read(request, MAX_BODY_BYTES).await?;
        let value = json(&body)?;
        serde_json::from_value(value)
            .map(JsonBody)
            .map_err(|error| Failure::invalid(vec![Fault::document(&error)]))
    }
}

/// The remedy of a body with another form than documented.
pub const SEE_DOCUMENT: &str = "write it as /api/v1/openapi.json says";

/// Any JSON; a syntax error is 400, what it says is for the caller to judge.
pub fn json(body: &[u8]) -> Result<serde_json::Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::new(Kind::Malformed, format!("the body is not JSON: {error}")))
}

/// Refuses a body of another type.
pub fn need_media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<String, Failure> {
    let given = media_type(headers);
    if accepted.contains(&given.as_str()) {
        return Ok(given);
    }
    let detail = match given.is_empty() {
        true => format!(
            "say what the body is: Content-Type: {}",
            accepted.join(" or ")
        ),
        false => format!("send {} instead of {given}", accepted.join(" or ")),
    };
    Err(Failure::new(Kind::UnsupportedMediaType, detail))
}

/// The query.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query
            .map(|Query(params)| Params(params))
            .map_err(|rejection| {
                Failure::new(
                    Kind::Malformed,
                    format!("the query: {}", rejection.body_text()),
                )
            })
    }
}

/// The identifier in the path. One that cannot be an identifier names nothing: 404.
pub struct Id<T>(pub T);

impl<T: FromStr<Err: std::fmt::Display>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Failure::new(Kind::NotFound, rejection.body_text()))?;
        text.parse()
            .map(Id)
            .map_err(|error| Failure::new(Kind::NotFound, format!("`{text}`: {error}")))
    }
}
