//! The private API's connections, in HTTP/1.1 and HTTP/2.

use super::secure::SecureListener;
use super::tunnel::Ends;
use super::{Shared, routes};
use axum::Extension;
use axum::serve::{Listener, ListenerExt};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use patchbay_route::transfer::MAX_TUNNELS;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

/// How often a client that speaks HTTP/2 is asked whether it is there, and how long it may take to
/// say so: a control host that has vanished takes its tunnels with it.
const PING_EVERY: Duration = Duration::from_secs(10);

/// Serves until the task is ended.
pub async fn serve(listener: TcpListener, shared: Shared) {
    match shared.link_tls.clone() {
        None => {
            // What is sent by a tunnel is small, and callers wait for it.
            let prompt = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            take(prompt, shared).await;
        }
        Some(tls) => {
            let secured = SecureListener::new(listener, tls, shared.handshakes.clone());
            take(secured, shared).await;
        }
    }
}

async fn take(mut listener: impl Listener<Addr = SocketAddr>, shared: Shared) {
    let secured = shared.link_tls.is_some();
    let local = listener.local_addr();
    let router = routes::router(shared);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_TUNNELS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    loop {
        let (stream, remote) = listener.accept().await;
        let ends = Ends {
            local: *local.as_ref().unwrap_or(&remote),
            remote,
            secured,
        };
        let service = TowerToHyperService::new(router.clone().layer(Extension(ends)));
        let builder = builder.clone();
        tokio::spawn(async move {
            // How a client's connection fails is the client's business.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
