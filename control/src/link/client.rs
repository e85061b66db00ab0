//! Requests to one relay's private HTTP API.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use patchbay_route::session::{Capacity, SessionList};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::secret::Secret;

/// Time for a question that has a short answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Time to connect.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// Longest answer read, in bytes: a list of some ten thousand sessions.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why a relay's API did not help.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot start: {0}")]
    Client(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// The relay answered something else than success.
    #[error("the relay answered {0}")]
    Status(u16),
    /// The relay does not know us.
    #[error("the relay refused the link secret; both hosts need the same one")]
    Secret,
    /// The answer is longer than [`MAX_ANSWER_BYTES`].
    #[error("the relay's answer is too long")]
    TooLong,
    /// The answer cannot be read.
    #[error("the relay's answer cannot be read: {0}")]
    Unreadable(String),
}

/// The client of one relay.
#[derive(Debug, Clone)]
pub struct RelayClient {
    http: reqwest::Client,
    base: String,
    secret: Secret,
}

impl RelayClient {
    /// A client for the relay at `base` (`http://127.0.0.1:8090`).
    ///
    /// # Errors
    /// [`LinkError::Client`] when no HTTP client can be built.
    pub fn new(base: &str, secret: Secret) -> Result<RelayClient, LinkError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIME)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| LinkError::Client(e.to_string()))?;
        Ok(RelayClient {
            http,
            base: base.trim_end_matches('/').to_owned(),
            secret,
        })
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// All live sessions.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn sessions(&self) -> Result<SessionList, LinkError> {
        self.get("/relay/v1/sessions").await
    }

    /// The relay's capacity.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn capacity(&self) -> Result<Capacity, LinkError> {
        self.get("/relay/v1/capacity").await
    }

    /// Ends a session. False when the relay does not know it.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn end(&self, session: &str) -> Result<bool, LinkError> {
        let url = format!(
            "{}/relay/v1/sessions/{}",
            self.base,
            patchbay_sip::uri::escape(session)
        );
        let request = self
            .http
            .delete(url)
            .bearer_auth(self.secret.expose())
            .timeout(ANSWER_TIME);
        let answer = request.send().await.map_err(transport)?;
        match answer.status().as_u16() {
            404 => Ok(false),
            _ => check(&answer).map(|()| true),
        }
    }

    /// The event stream after `cursor`, as raw chunks.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn events(
        &self,
        cursor: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, LinkError>> + Unpin + use<>, LinkError> {
        let url = format!("{}/relay/v1/events?after={cursor}", self.base);
        let request = self.http.get(url).bearer_auth(self.secret.expose());
        // No limit for the whole answer, which never ends; one for its head.
        let answer = tokio::time::timeout(ANSWER_TIME, request.send())
            .await
            .map_err(|_| LinkError::Transport("no answer in time".to_owned()))?
            .map_err(transport)?;
        check(&answer)?;
        Ok(answer
            .bytes_stream()
            .map(|chunk| chunk.map_err(transport))
            .boxed())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LinkError> {
        let url = format!("{}{path}", self.base);
        let request = self
            .http
            .get(url)
            .bearer_auth(self.secret.expose())
            .timeout(ANSWER_TIME);
        let answer = request.send().await.map_err(transport)?;
        check(&answer)?;
        let mut stream = answer.bytes_stream();
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(transport)?;
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(LinkError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|e| LinkError::Unreadable(e.to_string()))
    }
}

fn check(answer: &reqwest::Response) -> Result<(), LinkError> {
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(LinkError::Secret),
        status => Err(LinkError::Status(status)),
    }
}

/// The innermost cause says what is wrong; the outer ones repeat the URL.
fn transport(error: reqwest::Error) -> LinkError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    LinkError::Transport(cause.to_string())
}
