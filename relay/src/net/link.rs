//! The connections to control nodes: kept up for ever, one each. To a node in the same process it is a
//! pair of queues.

use super::{Inbound, Wire, doors};
use patchbay_sip::Handed;
use patchbay_sip::carried::IN_PROCESS;
use patchbay_tls::Endpoint;
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// Connection numbers of control links begin here; those of the public side are below.
pub const CONTROL_LINKS_FROM: u64 = 1 << 63;
/// Messages that may wait on a link inside this process, each way; a side that is further behind is
/// cut off.
pub const MAX_NEAR_QUEUE: usize = 8192;
/// First pause after a failed attempt; doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// A control host that has vanished without a word is noticed after about 20 s.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(10);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(3);
const KEEP_ALIVE_TRIES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// Which of the control nodes, of that many, a link leads to.
pub fn link_of(connection: u64, nodes: usize) -> Option<usize> {
    let number = (connection & !IN_PROCESS).checked_sub(CONTROL_LINKS_FROM)?;
    usize::try_from(number.checked_rem(nodes as u64)?).ok()
}

/// One end of a link inside a process: the address of the other end, whole messages to it, and
/// whole messages from it. The link is gone when either queue is.
pub type NearLink = (SocketAddr, mpsc::Sender<Handed>, mpsc::Receiver<Handed>);

/// A control node.
#[derive(Clone, Debug)]
pub struct LinkTo {
    /// Its private SIP listener.
    pub address: SocketAddr,
    /// How it is reached.
    pub way: LinkWay,
}

/// How a control node is reached.
#[derive(Clone, Debug)]
pub enum LinkWay {
    /// By TCP.
    Plain,
    /// By TLS; this is what both sides show each other.
    Secured(Arc<Endpoint>),
    /// It runs in this process: links are handed to it here, and it knows us by this address.
    Near(mpsc::Sender<NearLink>, SocketAddr),
}

/// Connects to a control node, again and again; `closed` carries the number of the link that
/// closed last. `step` is the number of control nodes: each link of each node gets a number of
/// its own.
pub async fn follow(
    to: LinkTo,
    (first, step): (u64, u64),
    inbound: mpsc::Sender<Inbound>,
    mut closed: watch::Receiver<u64>,
) {
    let address = to.address;
    let mut connection = CONTROL_LINKS_FROM + first;
    if let LinkWay::Near(..) = to.way {
        connection |= IN_PROCESS;
    }
    let mut pause = MIN_PAUSE;
    let mut said = String::new();
    loop {
        let attempt = tokio::time::timeout(CONNECT_TIME, open(&to)).await;
        match attempt.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok((wire, local, remote)) => {
                tracing::info!(control = %address, "connected to control");
                let up = Inbound::ControlUp {
                    connection,
                    wire,
                    local,
                    remote,
                };
                if inbound.send(up).await.is_err() {
                    return;
                }
                pause = MIN_PAUSE;
                said.clear();
                let this = connection;
                if closed.wait_for(|number| *number == this).await.is_err() {
                    return;
                }
                tracing::warn!(control = %address, "connection to control lost");
                connection += step;
            }
            Err(error) => say_once(address, &error, &mut said),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Attempts go on for ever, and each fails alike.
fn say_once(control: SocketAddr, error: &std::io::Error, said: &mut String) {
    let now = error.to_string();
    if *said != now {
        tracing::warn!(%control, %error, "control cannot be reached");
        *said = now;
    }
}

async fn open(to: &LinkTo) -> std::io::Result<(Wire, SocketAddr, SocketAddr)> {
    let tls = match &to.way {
        LinkWay::Plain => None,
        LinkWay::Secured(tls) => Some(tls),
        LinkWay::Near(door, own) => {
            let wire = hand_over(door, *own, to.address).await?;
            return Ok((wire, *own, to.address));
        }
    };
    let stream = TcpStream::connect(to.address).await?;
    watch_over(&stream);
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    let wire = match tls {
        None => Wire::Plain(stream),
        Some(tls) => {
            let stream = doors::secure(stream, tls, to.address.ip(), None).await?;
            Wire::Secure(Box::new(stream))
        }
    };
    Ok((wire, local, remote))
}

/// Hands a new link to control in this process.
async fn hand_over(
    door: &mpsc::Sender<NearLink>,
    own: SocketAddr,
    control: SocketAddr,
) -> std::io::Result<Wire> {
    let (to_control, there) = mpsc::channel(MAX_NEAR_QUEUE);
    let (to_us, here) = mpsc::channel(MAX_NEAR_QUEUE);
    let theirs = (own, to_us, there);
    let gone = |_| std::io::ErrorKind::ConnectionRefused;
    door.send(theirs).await.map_err(gone)?;
    Ok(Wire::Near((control, to_control, here)))
}

/// Has the kernel probe a silent connection.
fn watch_over(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(KEEP_ALIVE_AFTER)
        .with_interval(KEEP_ALIVE_EVERY)
        .with_retries(KEEP_ALIVE_TRIES);
    // Without probes a vanished host is noticed by the transactions' time-outs, call by call.
    let _ = socket.set_tcp_keepalive(&probes);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}
