//! TCP connections: a reader that frames messages, a writer with a bounded queue.

use super::Inbound;
use bytes::Bytes;
use patchbay_sip::stream::{Frame, Framer, KeepAlive, PONG};
use patchbay_sip::transaction::Flow;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Messages that may wait for a peer to read; a slower peer is cut off.
pub const MAX_WRITE_QUEUE: usize = 1024;
/// How long a connection attempt may take; shorter than a transaction's 32 s.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a peer may leave its receive window closed.
const WRITE_TIME: Duration = Duration::from_secs(20);
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection's way out; dropping it closes the connection.
#[derive(Debug)]
pub struct Connection {
    queue: mpsc::Sender<Bytes>,
    reader: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Connection {
    /// Serves a stream: what arrives goes to `inbound` under `flow`.
    pub fn serve(stream: TcpStream, flow: Flow, inbound: mpsc::Sender<Inbound>) -> Self {
        // Small messages shall leave at once; a failure only delays them.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let (queue, waiting) = mpsc::channel(MAX_WRITE_QUEUE);
        tokio::spawn(write_all(write, waiting, flow.connection, inbound.clone()));
        let reader = tokio::spawn(read_all(read, flow, inbound, queue.clone())).abort_handle();
        Self { queue, reader }
    }

    /// Queues a message; false if the peer has not read for too long.
    pub fn send(&self, bytes: Bytes) -> bool {
        self.queue.try_send(bytes).is_ok()
    }
}

async fn read_all(
    mut read: OwnedReadHalf,
    flow: Flow,
    inbound: mpsc::Sender<Inbound>,
    queue: mpsc::Sender<Bytes>,
) {
    let cut = read_frames(&mut read, flow, &inbound, &queue).await;
    let closed = Inbound::Closed {
        connection: flow.connection,
        cut,
    };
    // The signalling task is gone only when the whole host stops.
    let _ = inbound.send(closed).await;
}

/// Reads until the end; true if the peer sent what cannot be framed.
async fn read_frames(
    read: &mut OwnedReadHalf,
    flow: Flow,
    inbound: &mpsc::Sender<Inbound>,
    queue: &mpsc::Sender<Bytes>,
) -> bool {
    let mut framer = Framer::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let length = match read.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => length,
        };
        framer.push(buffer.get(..length).unwrap_or_default());
        for frame in framer.by_ref() {
            let bytes = match frame {
                Ok(Frame::Message(bytes)) => bytes,
                Ok(Frame::KeepAlive(KeepAlive::Ping)) => {
                    // A full queue means that the peer does not read: it needs no pong.
                    let _ = queue.try_send(Bytes::from_static(PONG));
                    continue;
                }
                Ok(Frame::KeepAlive(KeepAlive::Pong)) => continue,
                Err(_) => return true,
            };
            if inbound
                .send(Inbound::Message { bytes, flow })
                .await
                .is_err()
            {
                return false;
            }
        }
    }
}

async fn write_all(
    mut write: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<Bytes>,
    connection: u64,
    inbound: mpsc::Sender<Inbound>,
) {
    while let Some(bytes) = waiting.recv().await {
        let written = tokio::time::timeout(WRITE_TIME, write.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            let cut = written.is_err();
            let _ = inbound.send(Inbound::Closed { connection, cut }).await;
            return;
        }
    }
}

/// Accepts public connections until the signalling task is gone.
pub async fn accept(listener: TcpListener, local: SocketAddr, inbound: mpsc::Sender<Inbound>) {
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of file descriptors, or a connection that ended at once: others may come.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let local = stream.local_addr().unwrap_or(local);
        let accepted = Inbound::Accepted {
            stream,
            local,
            remote,
        };
        if inbound.send(accepted).await.is_err() {
            return;
        }
    }
}

/// Opens a connection and reports it, or its failure.
pub async fn connect(flow: Flow, inbound: mpsc::Sender<Inbound>) {
    let connection = flow.connection;
    let attempt = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(flow.remote)).await;
    let report = match attempt {
        Ok(Ok(stream)) => Inbound::Connected { connection, stream },
        _ => Inbound::Closed {
            connection,
            cut: false,
        },
    };
    let _ = inbound.send(report).await;
}
