//! UDP listeners.

use super::doors::{Asked, Door};
use super::{Busy, DoorDrop, Inbound, stun};
use bytes::BytesMut;
use patchbay_sip::Transport;
use patchbay_sip::limits::MAX_MESSAGE_BYTES;
use patchbay_sip::transaction::Flow;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Receive buffer asked of the kernel: bursts of calls wait here.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A bound UDP socket.
#[derive(Clone, Debug)]
pub struct UdpListener {
    /// The socket.
    pub socket: Arc<UdpSocket>,
    /// Its address.
    pub local: SocketAddr,
    /// How long datagrams wait in it.
    pub busy: Arc<Busy>,
}

/// Binds a socket of one IP version; `secret` is random.
pub fn bind(address: SocketAddr, secret: [u8; 16]) -> io::Result<UdpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Without CAP_NET_ADMIN the kernel grants what net.core.rmem_max allows.
    if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let local = socket.local_addr()?;
    Ok(UdpListener {
        socket: Arc::new(socket),
        local,
        busy: Arc::new(Busy::new(Instant::now(), secret)),
    })
}

impl UdpListener {
    /// Reads datagrams until the signalling task is gone.
    pub async fn read(self, door: Arc<Door>, inbound: mpsc::Sender<Inbound>) {
        let mut buffer = vec![0; MAX_MESSAGE_BYTES];
        loop {
            let (length, remote) = match self.next(&mut buffer).await {
                Ok(received) => received,
                // An ICMP error of an earlier send: the transaction's timers deal with it.
                Err(_) => continue,
            };
            let datagram = buffer.get(..length).unwrap_or_default();
            if self.busy.is_probe(datagram, Instant::now) {
                continue;
            }
            if stun::is_stun(datagram) {
                self.answer_stun(datagram, remote, &door);
                continue;
            }
            let message = Inbound::Message {
                message: BytesMut::from(datagram).freeze().into(),
                flow: Flow {
                    transport: Transport::Udp,
                    local: self.local,
                    remote,
                    connection: 0,
                },
            };
            if inbound.send(message).await.is_err() {
                return;
            }
        }
    }

    /// The next datagram, and word of whether there was one to be read at once.
    async fn next(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = match self.socket.try_recv_from(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.busy.is_empty();
                self.socket.recv_from(buffer).await
            }
            received => {
                // So that a flood of what is dropped here leaves other tasks their turn.
                tokio::task::coop::consume_budget().await;
                received
            }
        };
        self.busy.has_read(Instant::now);
        received
    }

    /// How long a datagram waits in the socket before it is read; asks the socket now and then.
    pub fn wait(&self, now: Instant) -> Duration {
        if let Some(probe) = self.busy.ask(now) {
            let mut to = self.local;
            if to.ip().is_unspecified() {
                to.set_ip(match to.is_ipv4() {
                    true => Ipv4Addr::LOCALHOST.into(),
                    false => Ipv6Addr::LOCALHOST.into(),
                });
            }
            // One that finds no room has waited for long, and so it counts.
            let _ = self.socket.try_send_to(&probe, to);
        }
        self.busy.wait(now)
    }

    fn answer_stun(&self, datagram: &[u8], remote: SocketAddr, door: &Door) {
        if !door.admits(Asked::Stun, remote.ip()) {
            return door.counters.drop(DoorDrop::StunRate);
        }
        match stun::answer(datagram, remote) {
            None => door.counters.drop(DoorDrop::Stun),
            Some(answer) => {
                door.counters.stun_answer();
                // A full socket buffer: the phone asks again.
                let _ = self.socket.try_send_to(&answer, remote);
            }
        }
    }
}
