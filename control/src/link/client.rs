//! Requests to one relay's private HTTP API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use patchbay_route::session::{Capacity, SessionList};
use patchbay_route::trace::{TRACES_PATH, TraceAsk};
use patchbay_tls::{Endpoint, ServerName, TlsConnector, TlsStream};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::secret::Secret;
use super::stream::{EventStream, NearEvents};

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

/// The client of one relay: a connection for each request, since there are few.
#[derive(Debug, Clone)]
pub struct RelayClient {
    base: String,
    host: String,
    port: u16,
    secret: Secret,
    /// What both sides show each other; none: plain HTTP.
    tls: Option<Arc<Endpoint>>,
    /// Its events where it runs in this process.
    near: Option<NearEvents>,
}

type Body = Full<Bytes>;

impl RelayClient {
    /// A client for the relay at `base` (`http://127.0.0.1:8090`).
    ///
    /// # Errors
    /// [`LinkError::Client`] if `base` is no URL of a host.
    pub fn new(base: &str, secret: Secret) -> Result<RelayClient, LinkError> {
        let wrong = || LinkError::Client(format!("`{base}` is not the URL of a relay"));
        let uri: hyper::Uri = base.parse().map_err(|_| wrong())?;
        let secured = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(wrong)?;
        Ok(RelayClient {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if secured { 443 } else { 80 }),
            base: base.trim_end_matches('/').to_owned(),
            secret,
            tls: None,
            near: None,
        })
    }

    /// The same with what both sides show each other; none for plain HTTP.
    #[must_use]
    pub fn secured(mut self, tls: Option<Arc<Endpoint>>) -> RelayClient {
        self.tls = tls;
        self
    }

    /// The same with its events read where they happen, in this process.
    #[must_use]
    pub fn near(mut self, events: Option<NearEvents>) -> RelayClient {
        self.near = events;
        self
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bearer token.
    pub(super) fn token(&self) -> String {
        format!("Bearer {}", self.secret.expose())
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
        let path = format!("/relay/v1/sessions/{}", patchbay_sip::uri::escape(session));
        let answer = self.ask(Method::DELETE, &path).await?;
        match answer.status().as_u16() {
            404 => Ok(false),
            _ => check(&answer).map(|()| true),
        }
    }

    /// The events after `cursor`.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) async fn events(&self, cursor: u64) -> Result<EventStream, LinkError> {
        if let Some(near) = &self.near {
            return near.after(cursor);
        }
        let path = format!("/relay/v1/events?after={cursor}");
        let answer = self.ask(Method::GET, &path).await?;
        check(&answer)?;
        // No limit for the whole answer, which never ends.
        let chunks = BodyDataStream::new(answer.into_body());
        let chunks = chunks.map(|chunk| chunk.map_err(transport)).boxed();
        Ok(EventStream::far(chunks))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LinkError> {
        let asking = async {
            let answer = self.ask(Method::GET, path).await?;
            check(&answer)?;
            read(BodyDataStream::new(answer.into_body())).await
        };
        let body = tokio::time::timeout(ANSWER_TIME, asking).await;
        let body = body.unwrap_or_else(|_| Err(late()))?;
        serde_json::from_slice(&body).map_err(|e| LinkError::Unreadable(e.to_string()))
    }

    /// The signalling of calls, as raw chunks of JSON lines ([`super::LineReader`]).
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn trace(
        &self,
        asked: &TraceAsk,
    ) -> Result<impl Stream<Item = Result<Bytes, LinkError>> + Unpin + use<>, LinkError> {
        let body = serde_json::to_vec(asked).map_err(|e| LinkError::Client(e.to_string()))?;
        let answer = self.send(Method::POST, TRACES_PATH, body.into()).await?;
        check(&answer)?;
        let chunks = BodyDataStream::new(answer.into_body());
        Ok(chunks.map(|chunk| chunk.map_err(transport)).boxed())
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Response<Incoming>, LinkError> {
        self.send(method, path, Bytes::new()).await
    }

    /// Sends a request and waits for the answer's head.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, LinkError> {
        let asking = async {
            let mut sender = self.connect().await?;
            let host = match self.host.contains(':') {
                true => format!("[{}]:{}", self.host, self.port),
                false => format!("{}:{}", self.host, self.port),
            };
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", host)
                .header("authorization", self.token())
                .header("content-type", "application/json")
                .body(Body::new(body))
                .map_err(|error| LinkError::Client(error.to_string()))?;
            sender.send_request(request).await.map_err(transport)
        };
        let asked = tokio::time::timeout(ANSWER_TIME, asking).await;
        asked.unwrap_or_else(|_| Err(late()))
    }

    /// An HTTP/1.1 connection for one request.
    async fn connect(&self) -> Result<SendRequest<Body>, LinkError> {
        speak(self.dial(Endpoint::connector).await?).await
    }

    /// A connection to the relay's API, secured by `connector` if the link is.
    pub(super) async fn dial(
        &self,
        connector: impl FnOnce(&Endpoint) -> TlsConnector,
    ) -> Result<Dialled, LinkError> {
        let attempt = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIME, attempt).await;
        let stream = stream.map_err(|_| late())?.map_err(transport)?;
        let _best_effort = stream.set_nodelay(true);
        match (&self.tls, self.base.starts_with("https:")) {
            (None, false) => Ok(Dialled::Plain(stream)),
            (Some(tls), true) => {
                let name = ServerName::try_from(self.host.clone()).map_err(transport)?;
                let stream = connector(tls).connect(name, stream).await;
                Ok(Dialled::Secured(Box::new(
                    stream.map_err(transport)?.into(),
                )))
            }
            // Whoever answers in plain text has not shown who it is.
            _ => Err(LinkError::Client(format!(
                "{}: https and the link's certificates go together",
                self.base
            ))),
        }
    }
}

/// A connection to a relay's API.
pub(super) enum Dialled {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// A connection serves its one request, and ends with the answer.
async fn speak(stream: Dialled) -> Result<SendRequest<Body>, LinkError> {
    match stream {
        Dialled::Plain(stream) => speak_on(stream).await,
        Dialled::Secured(stream) => speak_on(stream).await,
    }
}

async fn speak_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Body>, LinkError> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(transport)?;
    tokio::spawn(async move {
        // Its failure is that of the answer, which says so.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn read(mut chunks: BodyDataStream<Incoming>) -> Result<Vec<u8>, LinkError> {
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(transport)?;
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(LinkError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub(super) fn late() -> LinkError {
    LinkError::Transport("no answer in time".to_owned())
}

pub(super) fn check(answer: &Response<Incoming>) -> Result<(), LinkError> {
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(LinkError::Secret),
        status => Err(LinkError::Status(status)),
    }
}

/// The innermost cause says what is wrong; the outer ones repeat the URL.
pub(super) fn transport(error: impl std::error::Error) -> LinkError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    LinkError::Transport(cause.to_string())
}
