//! The connection to one relay's API by which transfers travel, a stream of HTTP/2 for each.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyDataStream, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use patchbay_route::transfer::TUNNEL_PATH;
use patchbay_sip::Handed;
use patchbay_tls::{Endpoint, HTTP2};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, mpsc};

use super::client::{Dialled, LinkError, RelayClient, check, late, transport};

/// Time to open a tunnel: to connect if need be, and to be let in.
const OPEN_TIME: Duration = Duration::from_secs(5);

/// How often a relay is asked whether it is there while tunnels stand, and how long it may take to
/// say so.
const PING_EVERY: Duration = Duration::from_secs(10);

type Sent = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// See the module. One connection stands for all tunnels, and is made anew when it is gone.
#[derive(Clone, Debug)]
pub struct TunnelLink {
    client: RelayClient,
    standing: Arc<Mutex<Option<SendRequest<Sent>>>>,
}

impl TunnelLink {
    /// No connection yet.
    #[must_use]
    pub fn new(client: RelayClient) -> TunnelLink {
        let standing = Arc::default();
        TunnelLink { client, standing }
    }

    /// The base URL of the relay.
    #[must_use]
    pub fn base(&self) -> &str {
        self.client.base()
    }

    /// Opens a tunnel: what comes out of `messages` is sent, until its other end is dropped. Gives
    /// what the relay sends, in chunks of any size.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn open(
        &self,
        messages: mpsc::Receiver<Handed>,
    ) -> Result<impl Stream<Item = Result<Bytes, LinkError>> + Unpin + use<>, LinkError> {
        let opening = async {
            let sender = self.sender().await?;
            self.ask(sender, messages).await
        };
        let opened = tokio::time::timeout(OPEN_TIME, opening).await;
        opened.unwrap_or_else(|_| Err(late()))
    }

    async fn ask(
        &self,
        mut sender: SendRequest<Sent>,
        messages: mpsc::Receiver<Handed>,
    ) -> Result<impl Stream<Item = Result<Bytes, LinkError>> + Unpin + use<>, LinkError> {
        let sent = stream::unfold(messages, |mut messages| async move {
            let message = messages.recv().await?;
            Some((Ok(Frame::data(message.bytes())), messages))
        });
        let request = Request::post(format!("{}{TUNNEL_PATH}", self.client.base()))
            .header("authorization", self.client.token())
            .body(StreamBody::new(sent.boxed()))
            .map_err(|error| LinkError::Client(error.to_string()))?;
        sender.ready().await.map_err(transport)?;
        let answer = sender.send_request(request).await.map_err(transport)?;
        check(&answer)?;
        let chunks = BodyDataStream::new(answer.into_body());
        Ok(chunks.map(|chunk| chunk.map_err(transport)))
    }

    /// The connection that stands, or a new one.
    async fn sender(&self) -> Result<SendRequest<Sent>, LinkError> {
        let mut standing = self.standing.lock().await;
        if let Some(sender) = standing.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let sender = match self.client.dial(Endpoint::http2_connector).await? {
            Dialled::Plain(stream) => speak(stream).await?,
            Dialled::Secured(stream) => {
                let (_, session) = stream.get_ref();
                if session.alpn_protocol() != Some(HTTP2) {
                    let why = "the relay does not speak HTTP/2: is it of an older version?";
                    return Err(LinkError::Unreadable(why.to_owned()));
                }
                speak(stream).await?
            }
        };
        *standing = Some(sender.clone());
        Ok(sender)
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Sent>, LinkError> {
    let handshake = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(transport)?;
    tokio::spawn(async move {
        // Its failure is that of each tunnel, which says so.
        let _ = connection.await;
    });
    Ok(sender)
}
