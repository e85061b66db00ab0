//! The event stream over a WebSocket (RFC 6455): the same events from the same cursor.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::events::{Reader, Told};
use super::limits::{IDLE_TIME, MAX_SOCKET_MESSAGE_BYTES, STREAM_KEEP_ALIVE};
use super::problem::{Failure, Kind};

/// The subprotocol's name.
const SUBPROTOCOL: &str = "patchbay.v1";
/// What stands before the token in a subprotocol that is offered only to show it.
const BEARER: &str = "bearer.";

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The items of a header that is a list.
fn items<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

fn asks(headers: &HeaderMap) -> bool {
    items(headers, &header::UPGRADE).any(|item| item.eq_ignore_ascii_case("websocket"))
}

/// The token that a page shows among its subprotocols: it can set no other header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut offered = items(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    asks(headers)
        .then(|| offered.find_map(|item| item.strip_prefix(BEARER)))
        .flatten()
}

/// A request that opens a WebSocket, checked.
pub struct Handshake {
    accept: HeaderValue,
    subprotocol: bool,
    upgrade: OnUpgrade,
}

/// What a request that opens a WebSocket says; `None` if it opens none (RFC 6455 section 4.2.1).
///
/// # Errors
/// [`Kind::Malformed`] for a handshake without a key, [`Kind::UpgradeRequired`] for another version.
pub fn wanted(request: &mut Request) -> Result<Option<Handshake>, Failure> {
    let headers = request.headers();
    if !asks(headers) {
        return Ok(None);
    }
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        let detail = "send Sec-WebSocket-Version: 13";
        return Err(Failure::new(Kind::UpgradeRequired, detail));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let accept = key.map(|key| derive_accept_key(key.as_bytes()));
    let accept = accept.and_then(|accept| HeaderValue::try_from(accept).ok());
    let Some(accept) = accept else {
        let detail = "the handshake has no Sec-WebSocket-Key";
        return Err(Failure::new(Kind::Malformed, detail));
    };
    let mut offered = items(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let subprotocol = offered.any(|item| item == SUBPROTOCOL);
    drop(offered);
    Ok(Some(Handshake {
        accept,
        subprotocol,
        upgrade: hyper::upgrade::on(request),
    }))
}

impl Handshake {
    /// Answers, and tells events as soon as the connection is a WebSocket.
    pub fn accept(self, reader: Reader) -> Response {
        let upgrade = self.upgrade;
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => tell(upgraded, reader).await,
                Err(error) => tracing::debug!(%error, "a WebSocket was not opened"),
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if self.subprotocol {
            let name = HeaderValue::from_static(SUBPROTOCOL);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        response
    }
}

async fn tell(upgraded: Upgraded, reader: Reader) {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_SOCKET_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_SOCKET_MESSAGE_BYTES));
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
    let Some((code, reason)) = exchange(&mut socket, reader).await else {
        return;
    };
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // Nobody hears what goes wrong with a goodbye.
    let _gone = tokio::time::timeout(STREAM_KEEP_ALIVE, socket.close(Some(frame))).await;
}

/// Tells events until either side ends it; `None` if there is nobody to say goodbye to.
async fn exchange(socket: &mut Socket, reader: Reader) -> Option<(CloseCode, &'static str)> {
    let ended = reader.ended();
    let mut batches = std::pin::pin!(reader.batches());
    let mut heard = Instant::now();
    let mut ping = tokio::time::interval(STREAM_KEEP_ALIVE);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            batch = batches.next() => {
                let Some(batch) = batch else {
                    return Some(match ended.is_cancelled() {
                        true => (CloseCode::Away, "the control node stops, or the token was taken back"),
                        false => (CloseCode::Again, "go on from the last cursor"),
                    });
                };
                for stored in batch {
                    let told = Told::from(std::sync::Arc::unwrap_or_clone(stored));
                    let text = serde_json::to_string(&told).unwrap_or_default();
                    socket.feed(Message::text(text)).await.ok()?;
                }
                socket.flush().await.ok()?;
            }
            received = socket.next() => match received?.ok()? {
                // The answer to a close goes out with the next read, which then ends.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                    heard = Instant::now();
                }
                Message::Text(_) | Message::Binary(_) => {
                    return Some((CloseCode::Unsupported, "events are told here, nothing is heard"));
                }
            },
            _ = ping.tick() => {
                if heard.elapsed() >= IDLE_TIME {
                    return None;
                }
                socket.send(Message::Ping(Default::default())).await.ok()?;
            }
        }
    }
}
