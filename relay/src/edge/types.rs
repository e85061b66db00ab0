//! What goes into the core and comes out of it.

use super::counters::EdgeCounters;
use super::overload::CallLimit;
use crate::locate::Inquiry;
use crate::player::Order;
use patchbay_route::session::SessionEvent;
use patchbay_sip::transaction::{self, Flow};
use patchbay_sip::{Handed, Method};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The two clocks, read once for each input.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For timers.
    pub instant: Instant,
    /// For what people and other hosts read: milliseconds of Unix time.
    pub unix_ms: u64,
}

/// What the core needs to know of its host.
#[derive(Clone)]
pub struct Config {
    /// The host's name in `Warning` headers.
    pub name: String,
    /// The secret that relay and control share.
    pub secret: Vec<u8>,
    /// Most sessions at once.
    pub max_sessions: usize,
    /// Timers and limits of the transaction layer.
    pub timers: transaction::Config,
    /// A call without any packet for so long is ended.
    pub media_timeout: Duration,
    /// The same for a call on hold, whose phones may rightly be silent.
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
    /// Methods that do not pass inside a call: 405.
    pub deny_methods: Vec<Method>,
    /// The port of the player on each address of this host; none: nothing is played.
    pub player_port: Option<u16>,
    /// No new calls: the host is to be stopped.
    pub draining: bool,
}

/// What the host shall do.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Send {
        /// Where.
        flow: Flow,
        /// What.
        message: Handed,
    },
    /// Open a connection for this flow; what is sent on it before it stands must wait.
    Connect {
        /// From the listener's address family to `remote`, under the given connection number.
        flow: Flow,
        /// Whom a TLS peer must prove to be; its address without a name.
        name: Option<Arc<str>>,
    },
    /// Ask DNS where a name leads, and answer with [`super::Core::located`].
    Locate(Box<Inquiry>),
    /// End a tunnel: nothing more will be sent there.
    EndTunnel(u64),
    /// Tell control.
    Event(SessionEvent),
    /// Tell the player.
    Play(Order),
}

/// What keeps a host that wants to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// Calls, or callers who wait for one.
    Calls,
    /// BYEs that have no answer yet.
    Goodbyes,
    /// Nothing.
    Empty,
}

/// What a core has and does, for the API.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Sessions that are not ending.
    pub sessions: usize,
    /// Transactions under way.
    pub transactions: usize,
    /// Public connections.
    pub connections: usize,
    /// Whether new calls are refused.
    pub draining: bool,
    /// Messages that wait for the signalling task.
    pub waiting_messages: usize,
    /// Connections that are being opened.
    pub opening: usize,
    /// Messages that wait for the slowest of all peers to read.
    pub longest_write_queue: usize,
    /// Events that are kept for control to read.
    pub kept_events: usize,
    /// What those who look at the signalling make of work.
    pub trace: TraceGauges,
    /// Addresses given out for transfers by phones.
    pub referrals: usize,
    /// Transfers remembered so that they are not taken twice.
    pub remembered_transfers: usize,
    /// Answers of the kernel's routing table that are remembered.
    pub cached_routes: usize,
    /// Control nodes connected.
    pub control_links: usize,
    /// Callers who wait or ring.
    pub waiting_callers: usize,
    /// Of a hundred new calls, those that are refused now because there is too much to do.
    pub refused_share: u32,
    /// Look-ups in DNS under way.
    pub lookups: usize,
    /// Places that names lead to and that have failed lately.
    pub avoided_places: usize,
    /// Counters.
    pub counters: EdgeCounters,
    /// Drops inside the transaction layer, by reason.
    pub transaction_drops: Vec<(String, u64)>,
}

/// Traces of the signalling.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceGauges {
    /// Traces that follow.
    pub followers: usize,
    /// Messages that are kept.
    pub kept_messages: usize,
    /// Bytes that they take.
    pub kept_bytes: usize,
    /// Messages that came faster than the readers of traces took them.
    pub lost: u64,
}
