//! The relay host's SIP sockets.

mod link;
mod routes;
mod tcp;
mod udp;

pub use link::{CONTROL_LINKS_FROM, follow as follow_control};
pub use routes::KernelRoutes;
pub use tcp::{Connection, MAX_WRITE_QUEUE, accept, connect};
pub use udp::{UdpListener, bind as bind_udp};

use crate::session::SessionId;
use bytes::Bytes;
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Messages from sockets that wait for the signalling core; beyond it, readers wait, and the
/// kernel's buffers fill and drop.
pub const MAX_INBOUND: usize = 4096;

/// What sockets tell the signalling task.
#[derive(Debug)]
pub enum Inbound {
    /// A message.
    Message {
        /// Its bytes.
        bytes: Bytes,
        /// Where it came from.
        flow: Flow,
    },
    /// A public TCP connection.
    Accepted {
        /// The connection.
        stream: TcpStream,
        /// Our end.
        local: SocketAddr,
        /// Its end.
        remote: SocketAddr,
    },
    /// A connection that we asked for stands.
    Connected {
        /// Under this number.
        connection: u64,
        /// The connection.
        stream: TcpStream,
    },
    /// A connection to a control node stands.
    ControlUp {
        /// Under this number.
        connection: u64,
        /// The connection.
        stream: TcpStream,
    },
    /// A host name was resolved, or not.
    Resolved {
        /// Who asked.
        session: SessionId,
        /// For which transport.
        transport: Transport,
        /// The first address.
        address: Option<SocketAddr>,
    },
    /// A connection is gone.
    Closed {
        /// Its number.
        connection: u64,
        /// We ended it because of what its peer did.
        cut: bool,
    },
}
