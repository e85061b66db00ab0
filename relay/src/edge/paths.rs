//! How to reach a party, and by which of our addresses it sees us.

use super::Output;
use crate::locate::Spoken;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Message, Text, Transport};
use patchbay_tls::{CertificateDer, stands_for};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Most connections of the public side at once.
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
    /// UDP, TCP, TLS, WS or WSS.
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
    connections: FxHashMap<u64, Standing>,
    by_remote: FxHashMap<(Transport, SocketAddr), u64>,
    next_connection: u64,
    tls_name: Option<String>,
}

/// A live connection.
struct Standing {
    flow: Flow,
    /// Whom its peer has proved to be, where that was asked by name.
    name: Option<Arc<str>>,
    /// What a peer that connected to us has shown.
    shown: Option<CertificateDer<'static>>,
    /// The further address that it may be reached at by this connection.
    alias: Option<SocketAddr>,
}

/// The port of a transport without one in the URI (RFC 3261 section 19.1.2, RFC 7118 section 8.1).
pub fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Tls | Transport::TlsSctp => 5061,
        Transport::Ws => 80,
        Transport::Wss => 443,
        Transport::Udp | Transport::Tcp | Transport::Sctp => 5060,
    }
}

/// The `transport` parameter by which a URI asks for it (RFC 3261 section 26.2.2, RFC 7118 section
/// 5.2.2); none for UDP.
pub fn transport_param(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        Transport::Ws | Transport::Wss => ";transport=ws",
        _ => "",
    }
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
            tls_name: None,
        }
    }

    /// Shows `name` in the place of an address where a certificate must stand for it.
    #[must_use]
    pub fn named(mut self, name: Option<String>) -> Self {
        self.tls_name = name;
        self
    }

    /// Live connections of the public side.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Takes note of an accepted connection, and of what its peer has shown; none when the limit is
    /// reached.
    pub fn accepted(
        &mut self,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        shown: Option<CertificateDer<'static>>,
    ) -> Option<Flow> {
        let flow = self.connection(transport, local, remote)?;
        // A peer over TLS has proved nothing yet about the address that it comes from.
        if transport != Transport::Tls {
            self.by_remote.insert((transport, remote), flow.connection);
        }
        self.stands(flow, None, shown);
        Some(flow)
    }

    fn connection(
        &mut self,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<Flow> {
        if self.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        let connection = self.next_connection;
        self.next_connection = self.next_connection.wrapping_add(1).max(1);
        Some(Flow {
            transport,
            local,
            remote,
            connection,
        })
    }

    fn stands(
        &mut self,
        flow: Flow,
        name: Option<Arc<str>>,
        shown: Option<CertificateDer<'static>>,
    ) {
        let standing = Standing {
            flow,
            name,
            shown,
            alias: None,
        };
        self.connections.insert(flow.connection, standing);
    }

    /// A request that asks for its connection to be reused (RFC 5923): requests to the address in
    /// its Via then go by this connection. Only over TLS, and only for a peer whose certificate stands
    /// for that address: whoever else could have calls of another host led to itself, because an
    /// address written in Via proves nothing.
    pub fn note_alias(&mut self, request: &Message, flow: &Flow) {
        if flow.transport != Transport::Tls {
            return;
        }
        let Some(standing) = self.connections.get_mut(&flow.connection) else {
            return;
        };
        let (Some(shown), None) = (&standing.shown, standing.alias) else {
            return;
        };
        let Ok(via) = request.top_via() else { return };
        let host = via.host.to_string();
        let bare = host.trim_matches(['[', ']']);
        if via.params.contains("alias") && stands_for(shown, bare) {
            // A name stands for the address that its host came from.
            let ip = via.host.ip().unwrap_or(flow.remote.ip());
            let port = via.port.unwrap_or(default_port(Transport::Tls));
            let alias = SocketAddr::new(ip, port);
            standing.alias = Some(alias);
            standing.name = via.host.ip().is_none().then(|| host.into());
            self.by_remote
                .insert((Transport::Tls, alias), flow.connection);
        }
    }

    /// Forgets a closed connection.
    pub fn closed(&mut self, connection: u64) {
        let Some(standing) = self.connections.remove(&connection) else {
            return;
        };
        let transport = standing.flow.transport;
        for remote in [Some(standing.flow.remote), standing.alias]
            .into_iter()
            .flatten()
        {
            let key = (transport, remote);
            if self.by_remote.get(&key) == Some(&connection) {
                self.by_remote.remove(&key);
            }
        }
    }

    /// Whether a message can still be sent on `flow`.
    pub fn is_alive(&self, flow: &Flow) -> bool {
        match flow.connection {
            0 => self.listener(flow.transport, flow.remote).is_some(),
            connection => self.connections.contains_key(&connection),
        }
    }

    /// A flow to `remote`: the listener's socket for UDP; for TCP and TLS the connection that is
    /// there, or a new one, asked for through `outputs`. A WebSocket is never opened from here.
    pub fn flow_to(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        outputs: &mut VecDeque<Output>,
    ) -> Option<Flow> {
        self.flow_to_host(transport, remote, None, outputs)
    }

    /// The same to a host that was called by a name, which a TLS peer must prove to be its own.
    pub fn flow_to_host(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        name: Option<&str>,
        outputs: &mut VecDeque<Output>,
    ) -> Option<Flow> {
        if let Some(flow) = self.standing(transport, remote, name) {
            return Some(flow);
        }
        let bound = self.listener_toward(transport, remote)?.bound;
        match transport {
            Transport::Udp => Some(Flow {
                transport,
                local: bound,
                remote,
                connection: 0,
            }),
            Transport::Tcp | Transport::Tls => {
                let flow = self.connection(transport, bound, remote)?;
                self.by_remote.insert((transport, remote), flow.connection);
                let name: Option<Arc<str>> = name.map(Arc::from);
                self.stands(flow, name.clone(), None);
                outputs.push_back(Output::Connect { flow, name });
                Some(flow)
            }
            _ => None,
        }
    }

    /// The connection that is there. One whose peer has proved a name serves that name, and the bare
    /// address, which stands in the Contact and Record-Route of those who were called by name.
    fn standing(
        &self,
        transport: Transport,
        remote: SocketAddr,
        name: Option<&str>,
    ) -> Option<Flow> {
        let connection = self.by_remote.get(&(transport, remote))?;
        let standing = self.connections.get(connection)?;
        let proved =
            transport != Transport::Tls || name.is_none() || standing.name.as_deref() == name;
        proved.then_some(standing.flow)
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

    /// The transports that flows are opened by.
    pub fn spoken(&self) -> Spoken {
        let opened = |listener: &&Listener| {
            let transport = listener.transport;
            matches!(transport, Transport::Udp | Transport::Tcp | Transport::Tls)
        };
        let listeners = self.listeners.iter().filter(opened);
        Spoken(
            listeners
                .map(|listener| (listener.transport, listener.bound.is_ipv4()))
                .collect(),
        )
    }

    /// Answers of the kernel's routing table that are remembered.
    pub fn cached_routes(&self) -> usize {
        self.cache.len()
    }

    /// Whether the kernel knows a way to an address.
    pub fn leads_to(&mut self, remote: IpAddr) -> bool {
        self.route(remote).is_some()
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

    /// The same as SIP writes it, with the host's name where a certificate must stand for it.
    pub fn sent_by(&mut self, flow: &Flow) -> Text {
        let address = self.advertised(flow);
        match (&self.tls_name, flow.transport) {
            (Some(name), Transport::Tls | Transport::Wss) => {
                Text::written(&format_args!("{name}:{}", address.port()))
            }
            _ => Text::written(&address),
        }
    }

    /// The name that is shown in the place of an address.
    pub fn tls_name(&self) -> Option<&str> {
        self.tls_name.as_deref()
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

#[cfg(test)]
mod tests;
