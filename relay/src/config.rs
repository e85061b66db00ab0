//! What a relay host is told at its start.

use crate::edge::overload::CallLimit;
use crate::engine::EngineConfig;
use crate::events::Events;
use crate::net::NearLink;
use patchbay_sip::{Method, Transport};
use patchbay_tls::Files;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// The configuration of one relay host.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The host's name in `Warning` headers.
    pub name: String,
    /// Public SIP listeners.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// The certificate of the public TLS and WSS listeners; they need one.
    pub tls: Option<Files>,
    /// The host's name in the place of its address wherever TLS must prove it.
    pub tls_name: Option<String>,
    /// Origins of the pages that may open WebSockets; empty: all.
    pub origins: Vec<String>,
    /// What relay and control show each other, on the SIP link and at the private API; none: both
    /// are plain.
    pub link_tls: Option<Files>,
    /// Addresses to show in SIP and SDP in the place of the local ones, one per IP version.
    pub advertise: Vec<IpAddr>,
    /// Control nodes' private SIP listeners.
    pub control: Vec<SocketAddr>,
    /// The one of them that runs in this process, and where it takes links.
    pub near: Option<(SocketAddr, mpsc::Sender<NearLink>)>,
    /// The stream of events, which those in this process may follow without the private API.
    pub events: Events,
    /// Where the private API listens.
    pub api: SocketAddr,
    /// The secret shared with control.
    pub link_secret: Secret,
    /// Most sessions at once.
    pub max_sessions: usize,
    /// A call without any packet, RTP or RTCP, for so long is ended.
    pub media_timeout: Duration,
    /// The same for a call on hold.
    pub hold_timeout: Duration,
    /// The session interval that is asked for on each leg (RFC 4028): 90 s at least.
    pub session_expires: Duration,
    /// What bounds new calls.
    pub max_calls: CallLimit,
    /// Of several places that a name leads to, one that says nothing for so long is given up for the
    /// next.
    pub failover_after: Duration,
    /// Requests that are too large for UDP go over TCP.
    pub large_over_tcp: bool,
    /// Name servers to ask; empty: those of the system.
    pub dns: Vec<SocketAddr>,
    /// Methods that do not pass inside a call; they are answered with 405.
    pub deny_methods: Vec<Method>,
    /// The packet engine.
    pub engine: EngineConfig,
    /// A folder of sounds for callers who wait, beside those that are built in.
    pub sounds: Option<PathBuf>,
    /// Where a line is written for each ended session; none writes none.
    pub journal: Option<PathBuf>,
    /// Bytes for the last messages, which are kept so that calls can be looked at afterwards; 0 keeps
    /// none.
    pub trace_ring: usize,
    /// Where a process that hands its calls over leaves them, and where one that starts looks for
    /// them; none hands nothing over.
    pub hand_over: Option<PathBuf>,
}

/// A secret that does not show itself.
#[derive(Clone)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Compares in a time that does not tell where the difference is.
    pub fn matches(&self, other: &[u8]) -> bool {
        let differs = self
            .0
            .iter()
            .zip(other)
            .fold(self.0.len() ^ other.len(), |sum, (a, b)| {
                sum | usize::from(a ^ b)
            });
        differs == 0
    }
}
