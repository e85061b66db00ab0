//! A relay's host over real sockets: its end of the SIP connection, and its private API.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get};
use futures_util::StreamExt;
use patchbay_control::link::Secret;
use patchbay_control::node::ControlConfig;
use patchbay_route::session::{Capacity, RelayEvent, SessionList};
use patchbay_sip::Message;
use patchbay_sip::stream::{Frame, Framer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::SECRET;

/// Longest wait for anything; only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An empty directory of this test's own.
pub fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap();
    }
    path
}

/// A node on a free port, without relays' APIs.
pub fn config() -> ControlConfig {
    let mut config = ControlConfig::new(Secret::new(SECRET));
    config.sip_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.relay_urls = Vec::new();
    config
}

/// The relay host's end of a SIP connection.
pub struct Peer {
    pub stream: TcpStream,
    framer: Framer,
    frames: VecDeque<Frame>,
}

impl Peer {
    pub async fn connect(address: SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).await.unwrap();
        Peer {
            stream,
            framer: Framer::new(),
            frames: VecDeque::new(),
        }
    }

    pub async fn send(&mut self, message: &Message) {
        self.stream.write_all(&message.encode()).await.unwrap();
    }

    /// The next message or keep-alive; `None` when the connection is closed.
    pub async fn frame(&mut self) -> Option<Frame> {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let read = self.stream.read(&mut buffer);
            let read = tokio::time::timeout(PATIENCE, read)
                .await
                .expect("something to read");
            let length = read.unwrap_or(0);
            if length == 0 {
                return None;
            }
            self.framer.push(&buffer[..length]);
            for frame in self.framer.by_ref() {
                self.frames.push_back(frame.unwrap());
            }
        }
    }

    /// The next message, 100 Trying and keep-alives aside.
    pub async fn message(&mut self) -> Message {
        loop {
            if let Frame::Message(bytes) = self.frame().await.expect("an open connection") {
                let message = Message::parse(bytes).unwrap();
                if message.status() != Some(100) {
                    return message;
                }
            }
        }
    }

    pub async fn expect(&mut self, status: u16) -> Message {
        let message = self.message().await;
        assert_eq!(message.status(), Some(status), "{message:?}");
        message
    }
}

/// Repeats a question until the answer is yes.
pub async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// What the relay's API serves.
#[derive(Clone)]
pub struct RelayApi {
    pub url: String,
    list: Arc<Mutex<SessionList>>,
    events: watch::Sender<Vec<RelayEvent>>,
    /// Raised to break all event streams.
    breaks: watch::Sender<u32>,
    pub deleted: Arc<Mutex<Vec<String>>>,
}

impl RelayApi {
    pub async fn start() -> RelayApi {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let list = SessionList {
            instance: "test".into(),
            cursor: 0,
            sessions: Vec::new(),
        };
        let api = RelayApi {
            url: format!("http://{}", listener.local_addr().unwrap()),
            list: Arc::new(Mutex::new(list)),
            events: watch::Sender::new(Vec::new()),
            breaks: watch::Sender::new(0),
            deleted: Arc::default(),
        };
        let router = Router::new()
            .route("/relay/v1/sessions", get(sessions))
            .route("/relay/v1/capacity", get(capacity))
            .route("/relay/v1/events", get(events))
            .route("/relay/v1/sessions/{id}", delete(end))
            .with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        api
    }

    pub fn set_list(&self, list: SessionList) {
        *self.list.lock().unwrap() = list;
    }

    pub fn tell(&self, event: RelayEvent) {
        self.events.send_modify(|events| events.push(event));
    }

    pub fn break_streams(&self) {
        self.breaks.send_modify(|count| *count += 1);
    }
}

fn allowed(headers: &HeaderMap) -> Result<(), StatusCode> {
    let expected = format!("Bearer {SECRET}");
    let given = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if given == Some(expected.as_str()) {
        Ok(())
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

async fn sessions(
    State(api): State<RelayApi>,
    headers: HeaderMap,
) -> Result<axum::Json<SessionList>, StatusCode> {
    allowed(&headers)?;
    Ok(axum::Json(api.list.lock().unwrap().clone()))
}

async fn capacity(headers: HeaderMap) -> Result<axum::Json<Capacity>, StatusCode> {
    allowed(&headers)?;
    Ok(axum::Json(Capacity {
        instance: "test".into(),
        sessions: 0,
        max_sessions: 10,
        ports_free: 40,
        threads: 1,
        threads_down: 0,
        thread_restarts: 0,
        draining: false,
    }))
}

async fn end(
    State(api): State<RelayApi>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, StatusCode> {
    allowed(&headers)?;
    api.deleted.lock().unwrap().push(id);
    Ok(StatusCode::NO_CONTENT)
}

/// All events from the first on: a reader skips those that its list reflected.
async fn events(State(api): State<RelayApi>, headers: HeaderMap) -> Result<Body, StatusCode> {
    allowed(&headers)?;
    let (events, breaks) = (api.events.subscribe(), api.breaks.subscribe());
    let state = (events, breaks, 0);
    let stream =
        futures_util::stream::unfold(state, |(mut events, mut breaks, mut sent)| async move {
            loop {
                let next = events.borrow().get(sent).cloned();
                if let Some(event) = next {
                    sent += 1;
                    let data = format!("data: {}\n\n", serde_json::to_string(&event).unwrap());
                    return Some((data, (events, breaks, sent)));
                }
                tokio::select! {
                    changed = events.changed() => changed.ok()?,
                    _ = breaks.changed() => return None,
                }
            }
        });
    Ok(Body::from_stream(
        stream.map(|data| Ok::<_, Infallible>(Bytes::from(data))),
    ))
}
