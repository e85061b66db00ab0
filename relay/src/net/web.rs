//! SIP over WebSocket (RFC 7118): one message a frame, text or binary.

use super::stream::{Patience, WRITE_TIME};
use super::{Ending, Inbound};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use patchbay_sip::Handed;
use patchbay_sip::stream::{PING, PONG};
use patchbay_sip::transaction::Flow;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// How often a WebSocket is pinged (RFC 6455 section 5.5.2): pages cannot do it by themselves, and
/// translators on the way forget silent connections.
pub const WEB_PING_EVERY: Duration = Duration::from_secs(25);
/// A WebSocket whose peer has answered no ping for so long is gone.
pub const MAX_WEB_SILENCE: Duration = Duration::from_secs(80);

/// Serves a WebSocket until either side ends it.
pub(super) async fn serve<S>(
    mut socket: WebSocketStream<S>,
    flow: Flow,
    patience: Patience,
    inbound: mpsc::Sender<Inbound>,
    mut waiting: mpsc::Receiver<Handed>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ending = exchange(&mut socket, flow, patience, &inbound, &mut waiting).await;
    // Nobody hears what goes wrong with a goodbye.
    let _ = tokio::time::timeout(WRITE_TIME, socket.close(None)).await;
    let closed = Inbound::Closed {
        connection: flow.connection,
        ending,
    };
    let _ = inbound.send(closed).await;
}

async fn exchange<S>(
    socket: &mut WebSocketStream<S>,
    flow: Flow,
    patience: Patience,
    inbound: &mpsc::Sender<Inbound>,
    waiting: &mut mpsc::Receiver<Handed>,
) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let opened = Instant::now();
    let (mut heard, mut spoke) = (opened, false);
    let mut ping = tokio::time::interval_at(opened + WEB_PING_EVERY, WEB_PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let limit = if spoke {
            patience.later
        } else {
            patience.first
        };
        let last = if spoke { heard } else { opened };
        let sent = tokio::select! {
            received = socket.next() => {
                heard = Instant::now();
                let bytes = match received {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(_)) => continue,
                    Some(Err(Error::Capacity(_))) => return Ending::Cut,
                    Some(Err(_)) | None => return Ending::Gone,
                };
                if bytes.as_ref() == PING {
                    // RFC 5626 section 4.4.1, which some pages' libraries use here as well.
                    send(socket, Bytes::from_static(PONG)).await
                } else {
                    spoke |= bytes.as_ref() != PONG;
                    let message = bytes.into();
                    if inbound.send(Inbound::Message { message, flow }).await.is_err() {
                        return Ending::Gone;
                    }
                    None
                }
            }
            message = waiting.recv() => match message {
                Some(message) => send(socket, message.bytes()).await,
                None => return Ending::Gone,
            },
            at = ping.tick() => {
                let limit = limit.map_or(MAX_WEB_SILENCE, |limit| limit.min(MAX_WEB_SILENCE));
                if at.saturating_duration_since(last) > limit {
                    return Ending::Idle;
                }
                write(socket, Message::Ping(Bytes::new())).await
            }
        };
        if let Some(ending) = sent {
            return ending;
        }
    }
}

/// Sends one SIP message; tells why if that ends the connection. Pages take text more readily.
async fn send<S>(socket: &mut WebSocketStream<S>, bytes: Bytes) -> Option<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let message = match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    };
    write(socket, message).await
}

async fn write<S>(socket: &mut WebSocketStream<S>, message: Message) -> Option<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match tokio::time::timeout(WRITE_TIME, socket.send(message)).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(Ending::Gone),
        Err(_) => Some(Ending::Cut),
    }
}
