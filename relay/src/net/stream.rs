//! Connections: a reader that frames messages, a writer with a bounded queue.

use super::{Ending, Inbound, Wire, web};
use bytes::Bytes;
use patchbay_sip::Handed;
use patchbay_sip::stream::{Frame, Framer, KeepAlive, PONG};
use patchbay_sip::transaction::Flow;
use socket2::{SockRef, TcpKeepalive};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Messages that may wait for a peer to read; a slower peer is cut off.
pub const MAX_WRITE_QUEUE: usize = 1024;
/// How long a connection that was accepted may take until its first message: those who only hold
/// connections would keep others out.
pub const FIRST_MESSAGE_TIME: Duration = Duration::from_secs(32);
/// How long a connection may say nothing at all, keep-alives included; longer than the calls that
/// hang on it are silent.
pub const MAX_IDLE: Duration = Duration::from_secs(4 * 3600);
/// How long a peer may leave its receive window closed.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(20);
/// Messages written with one system call.
const WRITE_BATCH: usize = 64;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// The kernel asks a silent peer whether it is there: a host that vanished is noticed after about
/// three minutes.
const PROBE_AFTER: Duration = Duration::from_secs(120);
const PROBE_EVERY: Duration = Duration::from_secs(20);
const PROBES: u32 = 3;

/// How long a peer may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Before its first message.
    pub first: Option<Duration>,
    /// Between any two things that it sends.
    pub later: Option<Duration>,
}

impl Patience {
    /// With a peer that came by itself.
    pub const ACCEPTED: Patience = Patience {
        first: Some(FIRST_MESSAGE_TIME),
        later: Some(MAX_IDLE),
    };
    /// With a peer that we connected to.
    pub const OPENED: Patience = Patience {
        first: Some(MAX_IDLE),
        later: Some(MAX_IDLE),
    };
    /// With control, which may have nothing to say for days.
    pub const CONTROL: Patience = Patience {
        first: None,
        later: None,
    };
}

/// A connection's way out; dropping it closes the connection.
#[derive(Debug)]
pub struct Connection {
    queue: mpsc::Sender<Handed>,
    /// Ended with the connection; a WebSocket ends by itself when the queue does.
    reader: Option<AbortHandle>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
    }
}

impl Connection {
    /// Serves a connection: what arrives goes to `inbound` under `flow`.
    pub fn serve(
        wire: Wire,
        flow: Flow,
        patience: Patience,
        inbound: mpsc::Sender<Inbound>,
    ) -> Self {
        match wire {
            Wire::Plain(stream) => {
                care_for(&stream);
                Self::stream(stream.into_split(), flow, patience, inbound)
            }
            Wire::Secure(stream) => {
                care_for(stream.get_ref().0);
                Self::stream(tokio::io::split(stream), flow, patience, inbound)
            }
            Wire::Web(socket) => {
                care_for(socket.get_ref());
                Self::web(*socket, flow, patience, inbound)
            }
            Wire::SecureWeb(socket) => {
                care_for(socket.get_ref().get_ref().0);
                Self::web(*socket, flow, patience, inbound)
            }
            Wire::Near((_, queue, from)) => {
                let reading = take_all(from, flow, inbound);
                let reader = Some(tokio::spawn(reading).abort_handle());
                Self { queue, reader }
            }
        }
    }

    fn stream<R, W>(
        (read, write): (R, W),
        flow: Flow,
        patience: Patience,
        inbound: mpsc::Sender<Inbound>,
    ) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(MAX_WRITE_QUEUE);
        tokio::spawn(write_all(write, waiting, flow.connection, inbound.clone()));
        let reading = read_all(read, flow, patience, inbound, queue.clone());
        let reader = Some(tokio::spawn(reading).abort_handle());
        Self { queue, reader }
    }

    fn web<S>(
        socket: tokio_tungstenite::WebSocketStream<S>,
        flow: Flow,
        patience: Patience,
        inbound: mpsc::Sender<Inbound>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(MAX_WRITE_QUEUE);
        tokio::spawn(web::serve(socket, flow, patience, inbound, waiting));
        Self::to_queue(queue)
    }

    /// A way out that somebody else empties, and that ends with its queue.
    pub fn to_queue(queue: mpsc::Sender<Handed>) -> Self {
        let reader = None;
        Self { queue, reader }
    }

    /// Messages that wait for the peer to read.
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Queues a message; false if the peer has not read for too long.
    pub fn send(&self, message: Handed) -> bool {
        self.queue.try_send(message).is_ok()
    }
}

/// Small messages leave at once, and the kernel probes silent peers; a failure of either only delays.
fn care_for(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let probes = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES);
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
}

async fn read_all(
    mut read: impl AsyncRead + Unpin,
    flow: Flow,
    patience: Patience,
    inbound: mpsc::Sender<Inbound>,
    queue: mpsc::Sender<Handed>,
) {
    let ending = read_frames(&mut read, flow, patience, &inbound, &queue).await;
    let closed = Inbound::Closed {
        connection: flow.connection,
        ending,
    };
    // The signalling task is gone only when the whole host stops.
    let _ = inbound.send(closed).await;
}

/// Passes on what comes from the other end of a queue, until that is gone.
async fn take_all(mut from: mpsc::Receiver<Handed>, flow: Flow, inbound: mpsc::Sender<Inbound>) {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    while from.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        for message in batch.drain(..) {
            let message = Inbound::Message { message, flow };
            if inbound.send(message).await.is_err() {
                return;
            }
        }
    }
    let closed = Inbound::Closed {
        connection: flow.connection,
        ending: Ending::Gone,
    };
    // The signalling task is gone only when the whole host stops.
    let _ = inbound.send(closed).await;
}

/// Waits no longer than `limit`; none when that is over.
pub(super) async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(work.await),
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
    }
}

/// Reads until the end.
async fn read_frames(
    read: &mut (impl AsyncRead + Unpin),
    flow: Flow,
    patience: Patience,
    inbound: &mpsc::Sender<Inbound>,
    queue: &mpsc::Sender<Handed>,
) -> Ending {
    let mut framer = Framer::new();
    let mut buffer = vec![0; READ_BYTES];
    let opened = tokio::time::Instant::now();
    let mut spoke = false;
    loop {
        // Keep-alives do not make up for a first message.
        let limit = match spoke {
            true => patience.later,
            false => patience
                .first
                .map(|time| time.saturating_sub(opened.elapsed())),
        };
        let length = match within(limit, read.read(&mut buffer)).await {
            None => return Ending::Idle,
            Some(Ok(0) | Err(_)) => return Ending::Gone,
            Some(Ok(length)) => length,
        };
        framer.push(buffer.get(..length).unwrap_or_default());
        while let Some(frame) = framer.next() {
            let bytes = match frame {
                Ok(Frame::Message(bytes)) => bytes,
                Ok(Frame::KeepAlive(KeepAlive::Ping)) => {
                    // A full queue means that the peer does not read: it needs no pong.
                    let _ = queue.try_send(Bytes::from_static(PONG).into());
                    continue;
                }
                Ok(Frame::KeepAlive(KeepAlive::Pong)) => continue,
                Err(_) => {
                    if let Some(head) = framer.rejected().cloned() {
                        // The signalling task is gone only when the whole host stops.
                        let _ = inbound.send(Inbound::Unframed { head, flow }).await;
                    }
                    return Ending::Cut;
                }
            };
            spoke = true;
            let message = Inbound::Message {
                message: bytes.into(),
                flow,
            };
            if inbound.send(message).await.is_err() {
                return Ending::Gone;
            }
        }
    }
}

async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut waiting: mpsc::Receiver<Handed>,
    connection: u64,
    inbound: mpsc::Sender<Inbound>,
) {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    let mut joined = Vec::new();
    while waiting.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        joined.clear();
        batch
            .drain(..)
            .for_each(|message: Handed| joined.extend_from_slice(&message.bytes()));
        let writing = async {
            write.write_all(&joined).await?;
            // TLS keeps back what makes no whole record.
            write.flush().await
        };
        let written = tokio::time::timeout(WRITE_TIME, writing).await;
        if !matches!(written, Ok(Ok(()))) {
            let ending = match written {
                Err(_) => Ending::Cut,
                Ok(_) => Ending::Gone,
            };
            let closed = Inbound::Closed { connection, ending };
            let _ = inbound.send(closed).await;
            return;
        }
    }
    // Nobody hears what goes wrong with a goodbye.
    let _ = tokio::time::timeout(WRITE_TIME, write.shutdown()).await;
}
