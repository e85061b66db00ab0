//! How to reach a party, and by which of our addresses it sees us.

use super::Output;
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// Most TCP connections of the public side at once.
pub const MAX_CONNECTIONS: usize = 20_000;
/// Most remembered answers of the routing look-up.
const MAX_ROUTE_CACHE: usize = 4_096;

/// The kernel's routing table: which local address leads to a remote one.
pub trait Routes: Send {
    /// The local address that packets to `remote` leave from; none without a route.
    fn local_toward(&self, remote: IpAddr) -> Option<IpAddr>;
}

/// One public SIP listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// UDP or TCP.
    pub transport: Transport,
    /// The bound address; may be a wildcard.
    pub bound: SocketAddr,
}

/// Listeners, live connections, and the addresses that we show.
pub struct Paths {
    listeners: Vec<Listener>,
    advertise: Vec<IpAddr>,
    routes: Box<dyn Routes>,
    cache: FxHashMap<IpAddr, IpAddr>,
    connections: FxHashMap<u64, Flow>,
    by_remote: FxHashMap<SocketAddr, u64>,
    next_connection: u64,
}

impl Paths {
    /// `first_connection` should be random, so that flow tokens of an earlier process that name
    /// a connection find none.
    pub fn new(
        listeners: Vec<Listener>,
        advertise: Vec<IpAddr>,
        routes: Box<dyn Routes>,
        first_connection: u64,
    ) -> Self {
        Self {
            listeners,
            advertise,
            routes,
            cache: FxHashMap::default(),
            connections: FxHashMap::default(),
            by_remote: FxHashMap::default(),
            next_connection: first_connection.max(1),
        }
    }

    /// Live connections of the public side.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Takes note of an accepted connection; none when the limit is reached.
    pub fn accepted(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<Flow> {
        self.connect(local, remote)
    }

    fn connect(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<Flow> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        let connection = self.next_connection;
        self.next_connection = self.next_connection.wrapping_add(1).max(1);
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection,
        };
        self.connections.insert(connection, flow);
        self.by_remote.insert(remote, connection);
        Some(flow)
    }

    /// Forgets a closed connection.
    pub fn closed(&mut self, connection: u64) {
        if let Some(flow) = self.connections.remove(&connection)
            && self.by_remote.get(&flow.remote) == Some(&connection)
        {
            self.by_remote.remove(&flow.remote);
        }
    }

    /// Whether a message can still be sent on `flow`.
    pub fn is_alive(&self, flow: &Flow) -> bool {
        match flow.connection {
            0 => self.listener(flow.transport, flow.remote).is_some(),
            connection => self.connections.contains_key(&connection),
        }
    }

    /// A flow to `remote`: the listener's socket for UDP; for TCP the connection that is there,
    /// or a new one, asked for through `outputs`.
    pub fn flow_to(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        outputs: &mut VecDeque<Output>,
    ) -> Option<Flow> {
        let listener = self.listener_toward(transport, remote)?;
        if transport == Transport::Udp {
            return Some(Flow {
                transport,
                local: listener.bound,
                remote,
                connection: 0,
            });
        }
        if let Some(flow) = self
            .by_remote
            .get(&remote)
            .and_then(|id| self.connections.get(id))
        {
            return Some(*flow);
        }
        let flow = self.connect(listener.bound, remote)?;
        outputs.push_back(Output::Connect { flow });
        Some(flow)
    }

    /// The flow that stands for one of another process: its UDP socket may have been bound to
    /// another address, and its connections are gone with it.
    pub fn rehome(&mut self, flow: Flow, outputs: &mut VecDeque<Output>) -> Flow {
        let ours = |listener: &Listener| {
            listener.transport == flow.transport && listener.bound == flow.local
        };
        if flow.transport != Transport::Udp || self.listeners.iter().any(ours) {
            return flow;
        }
        self.flow_to(Transport::Udp, flow.remote, outputs)
            .unwrap_or(flow)
    }

    /// The listener that the kernel would send to `remote` from, else the first that could.
    fn listener_toward(&mut self, transport: Transport, remote: SocketAddr) -> Option<Listener> {
        let route = self.route(remote.ip());
        let mut fitting = self.listeners.iter().filter(|listener| {
            listener.transport == transport && listener.bound.is_ipv4() == remote.is_ipv4()
        });
        let exact = fitting.clone().find(|l| Some(l.bound.ip()) == route);
        exact.or_else(|| fitting.next()).copied()
    }

    fn listener(&self, transport: Transport, remote: SocketAddr) -> Option<Listener> {
        self.listeners
            .iter()
            .find(|l| l.transport == transport && l.bound.is_ipv4() == remote.is_ipv4())
            .copied()
    }

    /// The address that the party at the other end of `flow` shall send SIP to.
    pub fn advertised(&mut self, flow: &Flow) -> SocketAddr {
        let exact = self.listeners.iter().find(|listener| {
            listener.transport == flow.transport && listener.bound.ip() == flow.local.ip()
        });
        let port = exact
            .copied()
            .or_else(|| self.listener(flow.transport, flow.remote))
            .map_or(flow.local.port(), |listener| listener.bound.port());
        let ip = self.local_ip(flow.local.ip(), flow.remote.ip());
        SocketAddr::new(ip, port)
    }

    fn local_ip(&mut self, bound: IpAddr, remote: IpAddr) -> IpAddr {
        let configured = self
            .advertise
            .iter()
            .find(|ip| ip.is_ipv4() == remote.is_ipv4());
        match configured {
            Some(ip) => *ip,
            None if !bound.is_unspecified() => bound,
            None => self.route(remote).unwrap_or(bound),
        }
    }

    /// The local address for media with the party at the other end of `flow` that asks for media
    /// at `media_to`; none without a route or a listener of that IP version.
    pub fn media_ip(&mut self, flow: &Flow, media_to: IpAddr) -> Option<IpAddr> {
        // A phone behind NAT names an address that only leads somewhere inside its own network:
        // where its signalling comes in, its media will too.
        let signalled_from = flow.remote.ip();
        if signalled_from.is_ipv4() == media_to.is_ipv4() {
            return match flow.local.ip() {
                bound if bound.is_unspecified() => self.route(signalled_from),
                bound => Some(bound),
            };
        }
        let mut bound = self.listeners.iter().map(|listener| listener.bound.ip());
        match bound.find(|bound| bound.is_ipv4() == media_to.is_ipv4())? {
            bound if bound.is_unspecified() => self.route(media_to),
            bound => Some(bound),
        }
    }

    /// The address to write in SDP for a socket bound to `local`.
    pub fn shown_media(&self, local: SocketAddr) -> SocketAddr {
        let configured = self
            .advertise
            .iter()
            .find(|ip| ip.is_ipv4() == local.is_ipv4());
        SocketAddr::new(configured.copied().unwrap_or(local.ip()), local.port())
    }

    fn route(&mut self, remote: IpAddr) -> Option<IpAddr> {
        if let Some(local) = self.cache.get(&remote) {
            return Some(*local);
        }
        let local = self.routes.local_toward(remote)?;
        if self.cache.len() >= MAX_ROUTE_CACHE {
            self.cache.clear();
        }
        self.cache.insert(remote, local);
        Some(local)
    }
}
