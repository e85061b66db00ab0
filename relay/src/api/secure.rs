//! The private API over mutual TLS: only clients with a certificate of the link's authority are
//! heard.

use patchbay_tls::{Endpoint, TlsStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

/// Connections with a handshake behind them that wait for the server.
const MAX_WAITING: usize = 16;
/// Handshakes under way at once; further connections wait in the kernel.
const MAX_HANDSHAKES: usize = 64;
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Pause after the listener failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The places for handshakes under way.
#[derive(Clone, Debug)]
pub struct Handshakes(Arc<Semaphore>);

impl Default for Handshakes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_HANDSHAKES)))
    }
}

impl Handshakes {
    /// Handshakes under way.
    pub fn under_way(&self) -> usize {
        MAX_HANDSHAKES - self.0.available_permits()
    }
}

/// Gives connections whose handshake is done.
pub(super) struct SecureListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    local: std::io::Result<SocketAddr>,
}

impl SecureListener {
    /// Accepts on `listener` until this is dropped.
    pub(super) fn new(listener: TcpListener, tls: Arc<Endpoint>, places: Handshakes) -> Self {
        let local = listener.local_addr();
        let (done, ready) = mpsc::channel(MAX_WAITING);
        tokio::spawn(accept(listener, tls, places, done));
        Self { ready, local }
    }
}

async fn accept(
    listener: TcpListener,
    tls: Arc<Endpoint>,
    places: Handshakes,
    done: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places.0).acquire_owned().await;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = done.closed() => return,
        };
        let Ok((stream, remote)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // What is sent by a tunnel is small, and callers wait for it.
        let _ = stream.set_nodelay(true);
        let (acceptor, done) = (tls.acceptor(), done.clone());
        tokio::spawn(async move {
            let _place = place;
            let shaken = tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await;
            match shaken {
                Ok(Ok(stream)) => {
                    // The server is gone only when the whole host stops.
                    let _ = done.send((TlsStream::Server(stream), remote)).await;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%remote, %error, "the relay API refused a connection");
                }
                Err(_) => {
                    tracing::warn!(%remote, "a handshake with the relay API was not done in time");
                }
            }
        });
    }
}

impl axum::serve::Listener for SecureListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task ends after this does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        match &self.local {
            Ok(local) => Ok(*local),
            Err(error) => Err(error.kind().into()),
        }
    }
}
