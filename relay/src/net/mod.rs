//! The relay host's SIP sockets.

mod busy;
mod counters;
mod doors;
mod link;
mod routes;
mod stream;
mod stun;
mod udp;
mod web;
mod web_handshake;

pub use busy::Busy;
pub use counters::{DOOR_DROPS, DoorCounters, DoorDrop};
pub use doors::{Door, HANDSHAKE_TIME, MAX_HANDSHAKES, Opening, accept, connect};
pub use link::{
    CONTROL_LINKS_FROM, LinkTo, LinkWay, MAX_NEAR_QUEUE, NearLink, follow as follow_control,
    link_of,
};
pub use routes::KernelRoutes;
pub use stream::{Connection, FIRST_MESSAGE_TIME, MAX_IDLE, MAX_WRITE_QUEUE, Patience};
pub use stun::{answer as answer_stun, is_stun};
pub use udp::{UdpListener, bind as bind_udp};
pub use web::{MAX_WEB_SILENCE, WEB_PING_EVERY};
pub use web_handshake::{MAX_UPGRADE_BYTES, upgrade};

use crate::locate::{Candidate, Inquiry};
use crate::session::SessionId;
use bytes::Bytes;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, Transport};
use patchbay_tls::{CertificateDer, TlsStream};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;

/// Messages from sockets that wait for the signalling core; beyond it, readers wait, and the
/// kernel's buffers fill and drop.
pub const MAX_INBOUND: usize = 4096;

/// A connection that is ready to carry SIP.
#[derive(Debug)]
pub enum Wire {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Secure(Box<TlsStream<TcpStream>>),
    /// WebSocket over TCP (RFC 7118).
    Web(Box<WebSocketStream<TcpStream>>),
    /// WebSocket over TLS.
    SecureWeb(Box<WebSocketStream<TlsStream<TcpStream>>>),
    /// Queues of whole messages, to control in the same process.
    Near(NearLink),
}

impl Wire {
    /// The certificate that the peer has shown and that was verified.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        let Wire::Secure(stream) = self else {
            return None;
        };
        let (_, connection) = stream.get_ref();
        let shown = connection.peer_certificates()?;
        Some(shown.first()?.clone().into_owned())
    }
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its peer closed it, it broke, or it could not be opened.
    Gone,
    /// We ended it: its peer did not read, or sent what cannot be framed.
    Cut,
    /// We ended it: its peer was silent for too long.
    Idle,
}

/// What sockets tell the signalling task.
#[derive(Debug)]
pub enum Inbound {
    /// A message.
    Message {
        /// Its bytes, or itself if control in this process sent it.
        message: Handed,
        /// Where it came from.
        flow: Flow,
    },
    /// The head of a message that the stream cannot be cut behind; [`Inbound::Closed`] follows.
    Unframed {
        /// Its bytes.
        head: Bytes,
        /// Where it came from.
        flow: Flow,
    },
    /// A public connection, with its handshakes done.
    Accepted {
        /// The connection.
        wire: Wire,
        /// What it carries SIP by.
        transport: Transport,
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
        wire: Wire,
    },
    /// A connection to a control node stands.
    ControlUp {
        /// Under this number.
        connection: u64,
        /// The connection.
        wire: Wire,
        /// Our end.
        local: SocketAddr,
        /// Its end.
        remote: SocketAddr,
    },
    /// A name was looked up.
    Located {
        /// What was asked.
        inquiry: Box<Inquiry>,
        /// Where it leads, the best place first.
        places: Vec<Candidate>,
    },
    /// Control has opened a tunnel.
    Tunnel {
        /// Under which number, between which ends.
        flow: Flow,
        /// What is put there goes to control.
        queue: mpsc::Sender<Handed>,
    },
    /// A caller who waits has pressed a key.
    Pressed {
        /// Who.
        session: SessionId,
        /// 0 to 9, `*`, `#`, A to D.
        key: char,
    },
    /// A connection is gone.
    Closed {
        /// Its number.
        connection: u64,
        /// Why.
        ending: Ending,
    },
}
