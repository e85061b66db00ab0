//! The client of one server: HTTP/1.1 over connections that stay open.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use patchbay_tls::{ServerName, TlsConnector};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Connections to one server at a time; further requests wait for one, within their time limits.
pub const MAX_WEBHOOK_CONNECTIONS: usize = 128;

/// How long a connection without a request is kept.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// How long the authorities that were read from files count.
const AUTHORITIES_FRESH: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("patchbay/", env!("CARGO_PKG_VERSION"));

/// Where a server is, and whom it must prove to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its `https://` or `http://` URL.
    pub url: String,
    /// A PEM file with the authorities that its certificate must come from; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP may leave this host.
    pub insecure: bool,
}

/// Why a server did not help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// The URL cannot be used.
    #[error("`{0}` is not the URL of a server")]
    Url(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// It did not prove who it is.
    #[error("{0}")]
    Certificate(String),
    /// It answered something else than success; a redirect is not followed.
    #[error("it answered {0}")]
    Status(u16),
    /// Its answer is not what was asked for.
    #[error("its answer cannot be read: {0}")]
    Malformed(String),
    /// Its answer is longer than was allowed.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
}

type Sender = SendRequest<Full<Bytes>>;

/// The client of one server.
#[derive(Debug)]
pub struct Client {
    server: Server,
    host: String,
    port: u16,
    /// Path and query.
    path: String,
    secured: bool,
    tls: tokio::sync::Mutex<Option<(Instant, TlsConnectorOf)>>,
    idle: Mutex<Vec<(Instant, Sender)>>,
    room: Semaphore,
}

/// A connector, which has nothing to show in logs.
#[derive(Clone)]
struct TlsConnectorOf(TlsConnector);

impl std::fmt::Debug for TlsConnectorOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl Client {
    /// A client, which connects when it is first used.
    ///
    /// # Errors
    /// [`WebhookError::Url`].
    pub fn new(server: Server) -> Result<Client, WebhookError> {
        let wrong = || WebhookError::Url(server.url.clone());
        let uri: hyper::Uri = server.url.parse().map_err(|_| wrong())?;
        let secured = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?;
        Ok(Client {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if secured { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            secured,
            tls: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
            room: Semaphore::new(MAX_WEBHOOK_CONNECTIONS),
            server,
        })
    }

    /// The server that it is for.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Sends a JSON document and gives the body of a successful answer, which has at most `longest`
    /// bytes. The caller limits the time: a request that is given up ends its connection.
    ///
    /// A connection that had been kept may turn out to be gone; the request is then sent once more on
    /// a fresh one, so it must not matter whether a server gets it twice.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn post(
        &self,
        headers: &[(&'static str, String)],
        body: Bytes,
        longest: usize,
    ) -> Result<Bytes, WebhookError> {
        let to = (Method::POST, self.path.as_str());
        self.exchanged(to, headers, body, longest).await
    }

    /// The same with another method, and a path behind that of the server's URL.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn send(
        &self,
        (method, path): (Method, &str),
        headers: &[(&'static str, String)],
        body: Bytes,
        longest: usize,
    ) -> Result<Bytes, WebhookError> {
        let path = format!("{}{path}", self.path.trim_end_matches('/'));
        self.exchanged((method, &path), headers, body, longest)
            .await
    }

    async fn exchanged(
        &self,
        to: (Method, &str),
        headers: &[(&'static str, String)],
        body: Bytes,
        longest: usize,
    ) -> Result<Bytes, WebhookError> {
        let closed = |_| WebhookError::Transport("the client is closed".to_owned());
        let _room = self.room.acquire().await.map_err(closed)?;
        if let Some(sender) = self.kept() {
            let request = self.request(&to, headers, body.clone())?;
            if let Ok(taken) = self.exchange(sender, request, longest).await {
                return taken;
            }
        }
        let sender = self.connect().await?;
        let request = self.request(&to, headers, body)?;
        self.exchange(sender, request, longest).await?
    }

    fn request(
        &self,
        (method, path): &(Method, &str),
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, WebhookError> {
        let host = match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(*path)
            .header("host", host)
            .header("user-agent", USER_AGENT)
            .header("accept", "application/json")
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let wrong = |_| WebhookError::Url(self.server.url.clone());
        request.body(Full::new(body)).map_err(wrong)
    }

    /// One request and its answer. The outer error says that no answer began: nothing is known of
    /// what the server did.
    async fn exchange(
        &self,
        mut sender: Sender,
        request: Request<Full<Bytes>>,
        longest: usize,
    ) -> Result<Result<Bytes, WebhookError>, WebhookError> {
        let answer = sender.send_request(request).await.map_err(transport)?;
        let status = answer.status();
        if !status.is_success() {
            return Ok(Err(WebhookError::Status(status.as_u16())));
        }
        let body = read(answer, longest).await;
        if body.is_ok() {
            self.keep(sender);
        }
        Ok(body)
    }

    fn kept(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some((since, sender)) = idle.pop() {
            if sender.is_ready() && now.duration_since(since) < IDLE_TIME {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        idle.retain(|(since, sender)| {
            !sender.is_closed() && now.duration_since(*since) < IDLE_TIME
        });
        idle.push((now, sender));
    }

    async fn connect(&self) -> Result<Sender, WebhookError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port));
        let stream = stream.await.map_err(transport)?;
        let _best_effort = stream.set_nodelay(true);
        if !self.secured {
            self.stays_here(&stream)?;
            return speak(stream).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(transport)?;
        let TlsConnectorOf(connector) = self.connector().await?;
        let shaken = connector.connect(name, stream).await;
        speak(shaken.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => WebhookError::Certificate(innermost(&error)),
            _ => transport(error),
        })?)
        .await
    }

    /// What a name stands for can change after a declaration was found good.
    fn stays_here(&self, stream: &TcpStream) -> Result<(), WebhookError> {
        let peer = stream.peer_addr().map_err(transport)?;
        match self.server.insecure || peer.ip().to_canonical().is_loopback() {
            true => Ok(()),
            false => Err(WebhookError::Certificate(format!(
                "{} is another host ({}), and http proves nothing",
                self.host,
                peer.ip()
            ))),
        }
    }

    /// What believes the authorities that the files hold now, or held a short while ago.
    async fn connector(&self) -> Result<TlsConnectorOf, WebhookError> {
        let mut tls = self.tls.lock().await;
        if let Some((read, connector)) = &*tls
            && read.elapsed() < AUTHORITIES_FRESH
        {
            return Ok(connector.clone());
        }
        let ca = self.server.ca_file.clone();
        let reading = tokio::task::spawn_blocking(move || patchbay_tls::client(ca.as_deref()));
        let read = reading.await.map_err(transport)?;
        let read = read.map_err(|error| WebhookError::Certificate(error.to_string()))?;
        let connector = TlsConnectorOf(read);
        *tls = Some((Instant::now(), connector.clone()));
        Ok(connector)
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Sender, WebhookError> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(transport)?;
    tokio::spawn(async move {
        // Its failure is that of the answer, which says so.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn read(answer: Response<Incoming>, longest: usize) -> Result<Bytes, WebhookError> {
    let mut chunks = BodyDataStream::new(answer.into_body());
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(transport)?;
        if body.len() + chunk.len() > longest {
            return Err(WebhookError::TooLong(longest));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

fn transport(error: impl std::error::Error) -> WebhookError {
    WebhookError::Transport(innermost(&error))
}

/// The innermost cause says what is wrong; the outer ones repeat the URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
