//! Tunnels: a stream of HTTP/2 for each transfer (requirement B5). Its request is what control
//! sends, its response what the relay answers; the end of either ends the tunnel.

use super::Shared;
use super::routes::Stopping;
use crate::net::{Ending, Inbound, MAX_WRITE_QUEUE};
use axum::Extension;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use patchbay_route::transfer::TUNNELS;
use patchbay_sip::stream::{Frame, Framer};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, Transport};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// The ends of a connection to the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Both sides have shown a certificate.
    pub secured: bool,
}

/// Where tunnels begin.
#[derive(Clone, Debug)]
pub struct Tunnels {
    inbound: mpsc::Sender<Inbound>,
    opened: Arc<AtomicU64>,
}

impl Tunnels {
    /// Tunnels that lead to `inbound`.
    pub fn new(inbound: mpsc::Sender<Inbound>) -> Self {
        let opened = Arc::default();
        Self { inbound, opened }
    }

    fn flow(&self, ends: Ends) -> Flow {
        // 2^61 tunnels are never opened.
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        Flow {
            transport: Transport::Tcp,
            local: ends.local,
            remote: ends.remote,
            connection: TUNNELS.start + number,
        }
    }
}

/// Opens a tunnel.
pub(super) async fn open(
    State(shared): State<Shared>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Result<Response, Stopping> {
    if let Some((status, text)) = refusal(request.version(), ends) {
        tracing::warn!(remote = %ends.remote, "tunnel refused: {text}");
        return Ok((status, format!("{text}\n")).into_response());
    }
    let tunnels = shared.tunnels;
    let flow = tunnels.flow(ends);
    let (queue, waiting) = mpsc::channel(MAX_WRITE_QUEUE);
    let opened = tunnels.inbound.send(Inbound::Tunnel { flow, queue }).await;
    opened.map_err(|_| Stopping)?;
    let body = request.into_body().into_data_stream();
    tokio::spawn(read(body, flow, tunnels.inbound));
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(sent(waiting))).into_response())
}

/// Why a client may not open a tunnel. Within a host the secret is enough; between hosts whoever
/// reads along would learn calls and could break into them.
fn refusal(version: Version, ends: Ends) -> Option<(StatusCode, &'static str)> {
    if version != Version::HTTP_2 {
        let text = "a tunnel needs HTTP/2";
        return Some((StatusCode::HTTP_VERSION_NOT_SUPPORTED, text));
    }
    let safe = ends.secured || ends.remote.ip().to_canonical().is_loopback();
    let text = "a tunnel between hosts needs certificate, key and ca in [link]";
    (!safe).then_some((StatusCode::FORBIDDEN, text))
}

fn sent(waiting: mpsc::Receiver<Handed>) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(waiting, |mut waiting| async move {
        let message = waiting.recv().await?;
        Some((Ok(message.bytes()), waiting))
    })
}

/// Reads what control sends until it has no more to say.
async fn read(mut body: BodyDataStream, flow: Flow, inbound: mpsc::Sender<Inbound>) {
    let ending = read_messages(&mut body, flow, &inbound).await;
    let connection = flow.connection;
    // The signalling task is gone only when the whole host stops.
    let _ = inbound.send(Inbound::Closed { connection, ending }).await;
}

async fn read_messages(
    body: &mut BodyDataStream,
    flow: Flow,
    inbound: &mpsc::Sender<Inbound>,
) -> Ending {
    let mut framer = Framer::new();
    while let Some(Ok(chunk)) = body.next().await {
        framer.push(&chunk);
        for frame in framer.by_ref() {
            let message = match frame {
                Ok(Frame::Message(bytes)) => Inbound::Message {
                    message: bytes.into(),
                    flow,
                },
                Ok(Frame::KeepAlive(_)) => continue,
                Err(_) => return Ending::Cut,
            };
            if inbound.send(message).await.is_err() {
                return Ending::Gone;
            }
        }
    }
    Ending::Gone
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // B5
    #[test]
    fn other_hosts_need_a_certificate_and_all_need_http_2() {
        let ends = |remote: &str, secured| Ends {
            local: "192.0.2.1:8090".parse().unwrap(),
            remote: remote.parse().unwrap(),
            secured,
        };
        let status = |version, ends| refusal(version, ends).map(|(status, _)| status.as_u16());
        for here in ["127.0.0.1:4000", "[::1]:4000", "[::ffff:127.0.0.1]:4000"] {
            assert_eq!(status(Version::HTTP_2, ends(here, false)), None);
            assert_eq!(status(Version::HTTP_11, ends(here, true)), Some(505));
        }
        assert_eq!(
            status(Version::HTTP_2, ends("192.0.2.2:4000", false)),
            Some(403)
        );
        assert_eq!(status(Version::HTTP_2, ends("192.0.2.2:4000", true)), None);
    }
}
