//! The private SIP listener and its connections.
//!
//! Each connection has a reader and a writer. The reader parses, so that the node's task does
//! not; it waits when the node's task is behind, and TCP then holds the relay back. The writer has
//! a bounded queue; a relay that does not read is cut off rather than waited for.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use patchbay_sip::carried::IN_PROCESS;
use patchbay_sip::stream::{Frame, Framer, KeepAlive, PONG};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, Message, ParseError, Transport};
use patchbay_tls::Endpoint;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// Connections at the same time, all relays together.
pub const MAX_CONNECTIONS: usize = 256;

/// Messages that may wait to be written to one connection.
pub const MAX_WRITES: usize = 8192;

/// Messages and openings that may wait for the node's task.
pub const MAX_WIRE_EVENTS: usize = 4096;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Messages written with one system call.
const WRITE_BATCH: usize = 64;

/// How long a relay's TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Pause after the listener failed (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What happens on the wire, for the node's task.
#[derive(Debug)]
pub(super) enum WireEvent {
    /// A relay connected.
    Opened { flow: Flow, writer: Writer },
    /// A message came.
    Message {
        flow: Flow,
        parsed: Box<Result<Message, ParseError>>,
    },
    /// A connection is gone.
    Closed { flow: Flow },
}

/// What was counted on the wire.
#[derive(Debug, Default)]
pub(super) struct WireCounters {
    pub(super) accepted: AtomicU64,
    pub(super) not_allowed: AtomicU64,
    pub(super) too_many: AtomicU64,
    pub(super) bad_framing: AtomicU64,
    pub(super) bad_handshake: AtomicU64,
    pub(super) slow: AtomicU64,
    pub(super) no_connection: AtomicU64,
    pub(super) bad_tunnel: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The sending end of one connection.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Handed>,
    cut: CancellationToken,
}

impl Writer {
    /// The sending end of what somebody else empties, until `cut`.
    pub(super) fn new(queue: mpsc::Sender<Handed>, cut: CancellationToken) -> Writer {
        Writer { queue, cut }
    }

    /// False, and cut, if the peer does not read (`slow`) or is gone.
    fn send(&self, message: Handed, slow: impl FnOnce()) -> bool {
        match self.queue.try_send(message) {
            Ok(()) => return true,
            Err(mpsc::error::TrySendError::Full(_)) => slow(),
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
        self.cut.cancel();
        false
    }
}

/// The open connections as the node's task knows them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: HashMap<u64, (Flow, Writer)>,
}

impl Connections {
    pub(super) fn opened(&mut self, flow: Flow, writer: Writer) {
        self.open.insert(flow.connection, (flow, writer));
    }

    /// False when it was not open (any more).
    pub(super) fn closed(&mut self, connection: u64) -> bool {
        self.open.remove(&connection).is_some()
    }

    pub(super) fn remotes(&self) -> impl Iterator<Item = SocketAddr> {
        self.open.values().map(|(flow, _)| flow.remote)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Queues a message. False when the connection had to be cut because its peer does not read; it
    /// is forgotten then, and the caller tells so.
    pub(super) fn send(&mut self, flow: Flow, message: Handed, counters: &WireCounters) -> bool {
        let Some((_, writer)) = self.open.get(&flow.connection) else {
            count(&counters.no_connection);
            return true;
        };
        let sent = writer.send(message, || {
            warn!(remote = %flow.remote, "a relay does not read; its connection is cut");
            count(&counters.slow);
        });
        if !sent {
            self.open.remove(&flow.connection);
        }
        sent
    }
}

/// One end of a link inside a process: the address of the other end, whole messages to it, and
/// whole messages from it. The link is gone when either queue is.
pub type NearLink = (SocketAddr, mpsc::Sender<Handed>, mpsc::Receiver<Handed>);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) events: mpsc::Sender<WireEvent>,
    pub(super) counters: Arc<WireCounters>,
    pub(super) allowed: Arc<[IpAddr]>,
    /// What both sides show each other; none: relays connect by plain TCP.
    pub(super) tls: Option<Arc<Endpoint>>,
    pub(super) idle_limit: Option<Duration>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Wire {
    /// Takes connections until stopped; those from this process come by `near`.
    pub(super) async fn listen(self, listener: TcpListener, mut near: mpsc::Receiver<NearLink>) {
        let room = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
        let mut number = 0;
        let Ok(local) = listener.local_addr() else {
            return;
        };
        loop {
            let (stream, remote) = tokio::select! {
                () = self.stop.cancelled() => return,
                Some(link) = near.recv() => {
                    number += 1;
                    count(&self.counters.accepted);
                    let wire = self.clone();
                    self.tasks.spawn(wire.serve_near(link, local, number));
                    continue;
                }
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        warn!(%error, "the SIP listener cannot take a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            if !self.allowed.contains(&remote.ip().to_canonical()) {
                count(&self.counters.not_allowed);
                debug!(%remote, "connection refused: not the address of a relay");
                continue;
            }
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                count(&self.counters.too_many);
                continue;
            };
            number += 1;
            count(&self.counters.accepted);
            let wire = self.clone();
            self.tasks.spawn(async move {
                wire.serve(stream, remote, number).await;
                drop(place);
            });
        }
    }

    async fn serve(self, stream: TcpStream, remote: SocketAddr, connection: u64) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        // Without it an answer waits for the acknowledgement of the one before.
        let _best_effort = stream.set_nodelay(true);
        let ends = (local, remote);
        let Some(tls) = &self.tls else {
            return self.carry(stream.into_split(), ends, connection).await;
        };
        let shaking = tls.acceptor().accept(stream);
        let why = match tokio::time::timeout(HANDSHAKE_TIME, shaking).await {
            Ok(Ok(stream)) => {
                return self.carry(tokio::io::split(stream), ends, connection).await;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "not done in time".to_owned(),
        };
        count(&self.counters.bad_handshake);
        warn!(%remote, why, "a relay's TLS handshake failed");
    }

    /// Carries SIP to a relay in this process until either end is gone.
    async fn serve_near(self, (remote, queue, from): NearLink, local: SocketAddr, connection: u64) {
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: connection | IN_PROCESS,
        };
        let cut = self.stop.child_token();
        let writer = Writer::new(queue, cut.clone());
        self.while_open(flow, writer, async {
            tokio::select! {
                () = cut.cancelled() => {}
                () = self.take(from, flow) => {}
            }
        })
        .await;
    }

    /// Passes on what comes from a relay in this process.
    async fn take(&self, mut from: mpsc::Receiver<Handed>, flow: Flow) {
        let mut batch = Vec::with_capacity(WRITE_BATCH);
        while from.recv_many(&mut batch, WRITE_BATCH).await > 0 {
            for handed in batch.drain(..) {
                let parsed = Box::new(handed.read());
                let message = WireEvent::Message { flow, parsed };
                if self.events.send(message).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Tells the node's task of a connection, does what it is for, and tells of its end.
    async fn while_open(&self, flow: Flow, writer: Writer, work: impl Future<Output = ()>) {
        let opened = WireEvent::Opened { flow, writer };
        if self.events.send(opened).await.is_err() {
            return;
        }
        info!(remote = %flow.remote, "relay connected");
        work.await;
        info!(remote = %flow.remote, "relay disconnected");
        let _stopped = self.events.send(WireEvent::Closed { flow }).await;
    }

    /// Carries SIP on a connection until it ends.
    async fn carry(
        self,
        (reading, writing): (
            impl AsyncRead + Unpin + Send,
            impl AsyncWrite + Unpin + Send,
        ),
        (local, remote): (SocketAddr, SocketAddr),
        connection: u64,
    ) {
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection,
        };
        let cut = self.stop.child_token();
        let (queue, writes) = mpsc::channel(MAX_WRITES);
        // Weak, so that the writer ends, all written, when the node's task drops its end.
        let pongs = queue.downgrade();
        let writer = Writer::new(queue, cut.clone());
        self.while_open(flow, writer, async {
            tokio::select! {
                () = cut.cancelled() => {}
                () = self.read(reading, flow, pongs) => {}
                () = write(writing, writes) => {}
            }
        })
        .await;
    }

    async fn read(
        &self,
        mut stream: impl AsyncRead + Unpin,
        flow: Flow,
        pongs: mpsc::WeakSender<Handed>,
    ) {
        let mut framer = Framer::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = stream.read(&mut buffer);
            let read = match self.idle_limit {
                None => read.await,
                Some(limit) => match tokio::time::timeout(limit, read).await {
                    Ok(read) => read,
                    Err(_) => return,
                },
            };
            let Ok(length) = read else { return };
            let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else {
                return;
            };
            framer.push(chunk);
            for frame in framer.by_ref() {
                let bytes = match frame {
                    Ok(Frame::Message(bytes)) => bytes,
                    Ok(frame) => {
                        // RFC 5626 section 3.5.1: a double CRLF is answered with a single one.
                        if let (Frame::KeepAlive(KeepAlive::Ping), Some(queue)) =
                            (frame, pongs.upgrade())
                        {
                            let _full = queue.try_send(Bytes::from_static(PONG).into());
                        }
                        continue;
                    }
                    Err(error) => {
                        warn!(remote = %flow.remote, %error, "a relay's stream cannot be read");
                        count(&self.counters.bad_framing);
                        return;
                    }
                };
                let parsed = Box::new(Message::parse(bytes));
                if self
                    .events
                    .send(WireEvent::Message { flow, parsed })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}

async fn write(mut stream: impl AsyncWrite + Unpin, mut writes: mpsc::Receiver<Handed>) {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    let mut joined = Vec::new();
    while writes.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        joined.clear();
        for message in batch.drain(..) {
            joined.extend_from_slice(&message.bytes());
        }
        // TLS keeps back what makes no whole record.
        let written = stream.write_all(&joined).await.is_ok() && stream.flush().await.is_ok();
        if !written {
            return;
        }
    }
}
