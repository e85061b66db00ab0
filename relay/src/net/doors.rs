//! Public listeners and outgoing connections: everything up to a connection that carries SIP.

use super::counters::{DoorCounters, DoorDrop};
use super::{Ending, Inbound, Wire, web_handshake};
use crate::strangers::Strangers;
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use patchbay_tls::{Endpoint, ServerName, TlsStream};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

/// Handshakes of TLS and WebSocket under way at once, all public listeners together; a connection
/// beyond them is closed.
pub const MAX_HANDSHAKES: usize = 512;
/// How long both handshakes of a connection may take together.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(8);
/// How long a connection attempt may take, its handshake included; shorter than a transaction's
/// 32 s.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Pause after the listener failed: out of file descriptors, or a connection that ended at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What all public listeners share.
pub struct Door {
    /// The host's certificate; none without TLS.
    pub tls: Option<Arc<Endpoint>>,
    /// Origins of the pages that may open WebSockets; empty: all.
    pub origins: Vec<String>,
    /// What was turned away.
    pub counters: DoorCounters,
    handshakes: Arc<Semaphore>,
    /// Handshakes and STUN requests of each host.
    sources: Mutex<[Strangers; 2]>,
    began: Instant,
}

/// What a source does that costs.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(super) enum Asked {
    Handshake,
    Stun,
}

impl Door {
    /// `seeds` are random.
    pub fn new(tls: Option<Arc<Endpoint>>, origins: Vec<String>, seeds: [u64; 2]) -> Door {
        Door {
            tls,
            origins,
            counters: DoorCounters::default(),
            handshakes: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
            sources: Mutex::new(seeds.map(Strangers::new)),
            began: Instant::now(),
        }
    }

    /// Handshakes under way.
    pub fn handshakes(&self) -> usize {
        MAX_HANDSHAKES - self.handshakes.available_permits()
    }

    /// Hosts whose handshakes and whose STUN requests are remembered, so that none asks too often.
    pub fn sources(&self) -> [usize; 2] {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        [Asked::Handshake, Asked::Stun]
            .map(|what| sources.get(what as usize).map_or(0, Strangers::remembered))
    }

    /// Whether that host may ask for this once more now.
    pub(super) fn admits(&self, what: Asked, source: IpAddr) -> bool {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = sources.get_mut(what as usize);
        buckets.is_none_or(|buckets| buckets.admit(source, now))
    }
}

/// Accepts connections of one listener until the signalling task is gone.
pub async fn accept(
    (listener, transport): (TcpListener, Transport),
    local: SocketAddr,
    door: Arc<Door>,
    inbound: mpsc::Sender<Inbound>,
) {
    while !inbound.is_closed() {
        let Ok((stream, remote)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let local = stream.local_addr().unwrap_or(local);
        if transport == Transport::Tcp {
            let accepted = Inbound::Accepted {
                wire: Wire::Plain(stream),
                transport,
                local,
                remote,
            };
            if inbound.send(accepted).await.is_err() {
                return;
            }
            continue;
        }
        let door = Arc::clone(&door);
        if !door.admits(Asked::Handshake, remote.ip()) {
            door.counters.drop(DoorDrop::HandshakeRate);
            continue;
        }
        let Ok(place) = Arc::clone(&door.handshakes).try_acquire_owned() else {
            door.counters.drop(DoorDrop::HandshakesFull);
            continue;
        };
        let inbound = inbound.clone();
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE_TIME, shake(stream, transport, &door));
            let shaken = shaken.await.unwrap_or(Err(DoorDrop::HandshakeTime));
            drop(place);
            match shaken {
                Err(reason) => door.counters.drop(reason),
                Ok(wire) => {
                    door.counters.handshake();
                    let accepted = Inbound::Accepted {
                        wire,
                        transport,
                        local,
                        remote,
                    };
                    // The signalling task is gone only when the whole host stops.
                    let _ = inbound.send(accepted).await;
                }
            }
        });
    }
}

/// The handshakes of an accepted connection.
async fn shake(stream: TcpStream, transport: Transport, door: &Door) -> Result<Wire, DoorDrop> {
    // A handshake's small messages shall leave at once; a failure only delays them.
    let _ = stream.set_nodelay(true);
    let endpoint = door.tls.as_ref().ok_or(DoorDrop::Tls);
    match transport {
        Transport::Ws => {
            let socket = web_handshake::upgrade(stream, &door.origins).await?;
            Ok(Wire::Web(Box::new(socket)))
        }
        Transport::Wss => {
            let secured = endpoint?.browser_acceptor().accept(stream).await;
            let stream = TlsStream::Server(secured.map_err(|_| DoorDrop::Tls)?);
            let socket = web_handshake::upgrade(stream, &door.origins).await?;
            Ok(Wire::SecureWeb(Box::new(socket)))
        }
        _ => {
            let secured = endpoint?.acceptor().accept(stream).await;
            let stream = TlsStream::Server(secured.map_err(|_| DoorDrop::Tls)?);
            Ok(Wire::Secure(Box::new(stream)))
        }
    }
}

/// A connection to open.
#[derive(Clone, Debug)]
pub struct Opening {
    /// As the core calls it.
    pub flow: Flow,
    /// Whom a TLS peer must prove to be; its address without a name.
    pub name: Option<Arc<str>>,
}

/// Opens a connection and reports it, or its failure.
pub async fn connect(opening: Opening, door: Arc<Door>, inbound: mpsc::Sender<Inbound>) {
    let connection = opening.flow.connection;
    let attempt = tokio::time::timeout(CONNECT_TIME, open(&opening, &door)).await;
    let report = match attempt {
        Ok(Some(wire)) => Inbound::Connected { connection, wire },
        _ => Inbound::Closed {
            connection,
            ending: Ending::Gone,
        },
    };
    let _ = inbound.send(report).await;
}

async fn open(opening: &Opening, door: &Door) -> Option<Wire> {
    let remote = opening.flow.remote;
    let stream = TcpStream::connect(remote).await.ok()?;
    if opening.flow.transport != Transport::Tls {
        return Some(Wire::Plain(stream));
    }
    match secure(
        stream,
        door.tls.as_ref()?,
        remote.ip(),
        opening.name.as_deref(),
    )
    .await
    {
        Ok(stream) => Some(Wire::Secure(Box::new(stream))),
        Err(error) => {
            door.counters.drop(DoorDrop::TlsOut);
            let name = opening.name.as_deref().unwrap_or_default();
            tracing::warn!(%remote, name, %error, "no TLS with a host that was to be called");
            None
        }
    }
}

/// The handshake of a connection that we have opened, to a host that must prove to be `name`, or to
/// have that address (RFC 5922 section 7.3).
pub(super) async fn secure(
    stream: TcpStream,
    endpoint: &Endpoint,
    address: IpAddr,
    name: Option<&str>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = match name {
        Some(name) => ServerName::try_from(name.to_owned())
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?,
        None => ServerName::from(address.to_canonical()),
    };
    let secured = endpoint.connector().connect(name, stream).await?;
    Ok(TlsStream::Client(secured))
}
