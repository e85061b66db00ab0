//! The public listeners.

use super::RelayError;
use crate::config::RelayConfig;
use crate::net::{self, Door, Inbound, UdpListener};
use bytes::Bytes;
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A TCP listener of one IP version.
pub(super) async fn bind_tcp(
    what: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, RelayError> {
    let bind = || {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    bind().map_err(|source| RelayError::Bind {
        what,
        address,
        source,
    })
}

/// A transport as the configuration names it.
fn named(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
        _ => "tcp",
    }
}

/// The public listeners.
pub(super) struct Sockets {
    pub listen: Vec<(Transport, SocketAddr)>,
    udp: Vec<UdpListener>,
}

impl Sockets {
    pub async fn bind(
        config: &RelayConfig,
        door: &Arc<Door>,
        inbound: &mpsc::Sender<Inbound>,
    ) -> Result<Self, RelayError> {
        let mut sockets = Self {
            listen: Vec::new(),
            udp: Vec::new(),
        };
        for (transport, address) in &config.listen {
            let local = match transport {
                Transport::Udp => sockets.bind_udp(*address, door, inbound)?,
                transport => {
                    let listener = bind_tcp(named(*transport), *address).await?;
                    let local = listener.local_addr().unwrap_or(*address);
                    let listener = (listener, *transport);
                    let door = Arc::clone(door);
                    tokio::spawn(net::accept(listener, local, door, inbound.clone()));
                    local
                }
            };
            sockets.listen.push((*transport, local));
        }
        match sockets.listen.is_empty() {
            true => Err(RelayError::NoListener),
            false => Ok(sockets),
        }
    }

    fn bind_udp(
        &mut self,
        address: SocketAddr,
        door: &Arc<Door>,
        inbound: &mpsc::Sender<Inbound>,
    ) -> Result<SocketAddr, RelayError> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|_| RelayError::Random)?;
        let listener = net::bind_udp(address, secret).map_err(|source| RelayError::Bind {
            what: "udp",
            address,
            source,
        })?;
        tokio::spawn(listener.clone().read(Arc::clone(door), inbound.clone()));
        let local = listener.local;
        self.udp.push(listener);
        Ok(local)
    }

    /// The longest time that a datagram waits in a UDP socket.
    pub fn wait(&self, now: Instant) -> Duration {
        let times = self.udp.iter().map(|listener| listener.wait(now));
        times.max().unwrap_or_default()
    }

    pub fn send(&self, flow: &Flow, bytes: &Bytes) {
        if let Some(listener) = self.udp.iter().find(|l| l.local == flow.local) {
            // A full socket buffer or an unreachable peer: retransmission is SIP's answer to both.
            let _ = listener.socket.try_send_to(bytes, flow.remote);
        }
    }
}
