//! The relay host at work: one task owns the signalling core and the sockets' ways out.

use crate::api::{self, Command};
use crate::config::RelayConfig;
use crate::edge::paths::{Listener, Paths};
use crate::edge::{Config, Core, Gauges, Now, Occupancy, Output};
use crate::engine::{Engine, EngineError};
use crate::events::Events;
use crate::files::Journal;
use crate::net::{self, CONTROL_LINKS_FROM, Connection, Inbound, KernelRoutes, UdpListener};
use bytes::Bytes;
use patchbay_route::session::{SessionEvent, SessionList};
use patchbay_sip::Transport;
use patchbay_sip::transaction::{self, Flow};
use rustc_hash::FxHashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Messages handled before timers and commands get their turn.
const MAX_BATCH: usize = 256;
/// Commands of the API that wait.
const MAX_COMMANDS: usize = 256;
/// Host names resolved at once; more wait.
const MAX_RESOLVING: usize = 64;
/// After the last session was ended, BYEs get this long to be answered.
const GOODBYE_TIME: Duration = Duration::from_secs(2);
/// With nobody left, the last answer may still be on its way out, or be asked for again.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// How often a stopping host looks whether its sessions have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Why a relay host did not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The packet engine.
    #[error("the packet engine cannot start: {0}")]
    Engine(#[from] EngineError),
    /// A listener.
    #[error("cannot listen on {what} {address}: {source}")]
    Bind {
        /// `udp`, `tcp` or `relay API`.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The journal of ended sessions.
    #[error("cannot write the session journal: {0}")]
    Journal(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// No listener is configured.
    #[error("no SIP listener is configured: relay.listen needs at least one address")]
    NoListener,
}

/// A running relay host.
pub struct Relay {
    /// The public SIP listeners as bound.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// The private API as bound.
    pub api: SocketAddr,
    /// The packet engine.
    pub engine: Engine,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Binds and starts everything.
    pub async fn start(config: RelayConfig) -> Result<Self, RelayError> {
        let engine = Engine::start(config.engine.clone())?;
        let journal = match &config.journal {
            Some(path) => {
                Some(Journal::open(path).map_err(|e| RelayError::Journal(e.to_string()))?)
            }
            None => None,
        };
        let (inbound, receive) = mpsc::channel(net::MAX_INBOUND);
        let sockets = Sockets::bind(&config, &inbound).await?;
        let listen = sockets.listen.clone();
        let (commands, orders) = mpsc::channel(MAX_COMMANDS);
        let events = Events::default();
        let instance = format!("{:016x}", seed()?.iter().fold(0_u64, |s, b| s << 4 ^ u64::from(*b)));
        let api_listener = bind_tcp("relay API", config.api).await?;
        let api = api_listener.local_addr().unwrap_or(config.api);
        let shared = api::Shared {
            secret: config.link_secret.clone(),
            commands: commands.clone(),
            events: events.clone(),
            engine: engine.clone(),
            instance: instance.clone(),
            max_sessions: config.max_sessions,
        };
        let core = core(&config, &engine, &listen)?;
        let (links, served) = follow_control(&config, &inbound);
        let host = Host {
            core,
            sockets,
            inbound,
            links,
            connections: FxHashMap::default(),
            waiting: FxHashMap::default(),
            events,
            journal,
            instance,
            resolving: Arc::new(Semaphore::new(MAX_RESOLVING)),
        };
        let api_task = tokio::spawn(api::serve(api_listener, shared));
        let task = tokio::spawn(async move {
            host.run(receive, orders).await;
            api_task.abort();
            served.iter().for_each(tokio::task::AbortHandle::abort);
        });
        Ok(Self {
            listen,
            api,
            engine,
            commands,
            task,
        })
    }

    /// The first public listener of a transport.
    pub fn sip(&self, transport: Transport) -> Option<SocketAddr> {
        let found = self.listen.iter().find(|(kind, _)| *kind == transport);
        found.map(|(_, address)| *address)
    }

    /// Whether a control node is connected.
    pub async fn is_ready(&self) -> bool {
        let (answer, asked) = oneshot::channel();
        let sent = self.commands.send(Command::Gauges(answer)).await;
        sent.is_ok() && asked.await.is_ok_and(|gauges| gauges.control_links > 0)
    }

    /// Takes no new calls, lets the others end within `drain`, then ends the rest and stops.
    pub async fn shutdown(self, drain: Duration) {
        let _ = self.commands.send(Command::Stop { drain }).await;
        let _ = self.task.await;
        self.engine.shutdown();
    }
}

fn core(
    config: &RelayConfig,
    engine: &Engine,
    listen: &[(Transport, SocketAddr)],
) -> Result<Core, RelayError> {
    let listeners = listen
        .iter()
        .map(|(transport, bound)| Listener {
            transport: *transport,
            bound: *bound,
        })
        .collect();
    let seed = seed()?;
    let first_connection = seed.iter().take(6).fold(1, |sum, byte| sum << 8 | u64::from(*byte));
    let advertise = config.advertise.clone();
    let paths = Paths::new(listeners, advertise, Box::new(KernelRoutes), first_connection);
    let settings = Config {
        name: config.name.clone(),
        secret: config.link_secret.0.clone(),
        max_sessions: config.max_sessions,
        timers: transaction::Config::default(),
        draining: false,
    };
    Ok(Core::new(settings, Box::new(engine.clone()), paths, seed))
}

fn seed() -> Result<[u8; 32], RelayError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| RelayError::Random)?;
    Ok(seed)
}

fn follow_control(
    config: &RelayConfig,
    inbound: &mpsc::Sender<Inbound>,
) -> (Vec<watch::Sender<u64>>, Vec<tokio::task::AbortHandle>) {
    let step = config.control.len() as u64;
    let follow = |(index, address): (usize, &SocketAddr)| {
        let (closed, watching) = watch::channel(0);
        let numbers = (index as u64, step);
        let task = net::follow_control(*address, numbers, inbound.clone(), watching);
        (closed, tokio::spawn(task).abort_handle())
    };
    config.control.iter().enumerate().map(follow).unzip()
}

async fn bind_tcp(what: &'static str, address: SocketAddr) -> Result<TcpListener, RelayError> {
    let bind = || {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        TcpListener::from_std(socket.into())
    };
    bind().map_err(|source| RelayError::Bind {
        what,
        address,
        source,
    })
}

/// The public listeners.
struct Sockets {
    listen: Vec<(Transport, SocketAddr)>,
    udp: Vec<UdpListener>,
}

impl Sockets {
    async fn bind(
        config: &RelayConfig,
        inbound: &mpsc::Sender<Inbound>,
    ) -> Result<Self, RelayError> {
        let mut sockets = Self {
            listen: Vec::new(),
            udp: Vec::new(),
        };
        for (transport, address) in &config.listen {
            let local = match transport {
                Transport::Udp => sockets.bind_udp(*address, inbound)?,
                _ => {
                    let listener = bind_tcp("tcp", *address).await?;
                    let local = listener.local_addr().unwrap_or(*address);
                    tokio::spawn(net::accept(listener, local, inbound.clone()));
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
        inbound: &mpsc::Sender<Inbound>,
    ) -> Result<SocketAddr, RelayError> {
        let listener = net::bind_udp(address).map_err(|source| RelayError::Bind {
            what: "udp",
            address,
            source,
        })?;
        tokio::spawn(listener.clone().read(inbound.clone()));
        let local = listener.local;
        self.udp.push(listener);
        Ok(local)
    }

    fn send(&self, flow: &Flow, bytes: &Bytes) {
        if let Some(listener) = self.udp.iter().find(|l| l.local == flow.local) {
            // A full socket buffer or an unreachable peer: retransmission is SIP's answer to both.
            let _ = listener.socket.try_send_to(bytes, flow.remote);
        }
    }
}

struct Host {
    core: Core,
    sockets: Sockets,
    inbound: mpsc::Sender<Inbound>,
    links: Vec<watch::Sender<u64>>,
    connections: FxHashMap<u64, Connection>,
    /// What is to be sent on connections that are being opened.
    waiting: FxHashMap<u64, (Flow, Vec<Bytes>)>,
    events: Events,
    journal: Option<Journal>,
    instance: String,
    resolving: Arc<Semaphore>,
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        instant: Instant::now(),
        unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
    }
}

impl Host {
    async fn run(mut self, mut inbound: mpsc::Receiver<Inbound>, mut orders: mpsc::Receiver<Command>) {
        let mut stop: Option<(Instant, Option<Instant>)> = None;
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            let wake = self.core.next_wakeup();
            let look = stop.map(|_| Instant::now() + DRAIN_LOOK);
            tokio::select! {
                biased;
                Some(command) = orders.recv() => {
                    if let Some(drain) = self.command(command) {
                        stop = Some((Instant::now() + drain, None));
                    }
                }
                _ = sleep_until(wake) => self.core.wake(now()),
                _ = inbound.recv_many(&mut batch, MAX_BATCH) => {
                    batch.drain(..).for_each(|message| self.take(message));
                }
                _ = sleep_until(look) => {}
            }
            self.flush();
            if let Some(stopping) = &mut stop
                && self.stopped(stopping)
            {
                return;
            }
        }
    }

    /// Ends what is left at the deadline; true once everyone had the time to hear it.
    fn stopped(&mut self, (deadline, goodbye): &mut (Instant, Option<Instant>)) -> bool {
        let at = Instant::now();
        match goodbye {
            Some(until) => *until <= at,
            None => match self.core.occupancy() {
                Occupancy::Calls if *deadline > at => false,
                occupancy => {
                    self.core.end_all(now());
                    self.flush();
                    let last = match occupancy {
                        Occupancy::Empty => LAST_ANSWERS,
                        _ => GOODBYE_TIME,
                    };
                    *goodbye = Some(at + last);
                    false
                }
            },
        }
    }

    fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Message { bytes, flow } => self.core.receive(bytes, flow, now()),
            Inbound::Accepted {
                stream,
                local,
                remote,
            } => {
                if let Some(flow) = self.core.accepted(local, remote) {
                    self.serve(stream, flow);
                }
            }
            Inbound::Connected { connection, stream } => {
                let Some((flow, waiting)) = self.waiting.remove(&connection) else {
                    return;
                };
                self.serve(stream, flow);
                for bytes in waiting {
                    self.send(flow, bytes);
                }
            }
            Inbound::ControlUp { connection, stream } => self.control_up(connection, stream),
            Inbound::Resolved {
                session,
                transport,
                address,
            } => self.core.resolved(session, transport, address, now()),
            Inbound::Closed { connection, cut } => self.closed(connection, cut),
        }
    }

    fn serve(&mut self, stream: tokio::net::TcpStream, flow: Flow) {
        let connection = Connection::serve(stream, flow, self.inbound.clone());
        self.connections.insert(flow.connection, connection);
    }

    fn control_up(&mut self, connection: u64, stream: tokio::net::TcpStream) {
        let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else {
            return self.closed(connection, false);
        };
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection,
        };
        self.serve(stream, flow);
        self.core.control_up(flow);
    }

    fn closed(&mut self, connection: u64, cut: bool) {
        self.connections.remove(&connection);
        self.waiting.remove(&connection);
        self.core.closed(connection, cut, now());
        if let Some(number) = connection.checked_sub(CONTROL_LINKS_FROM)
            && let Some(step) = std::num::NonZero::new(self.links.len() as u64)
            && let Some(link) = self.links.get((number % step) as usize)
        {
            // The follower is gone only when the whole host stops.
            let _ = link.send(connection);
        }
    }

    fn flush(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Send { flow, bytes } => self.send(flow, bytes),
                Output::Connect { flow } => {
                    self.waiting.insert(flow.connection, (flow, Vec::new()));
                    tokio::spawn(net::connect(flow, self.inbound.clone()));
                }
                Output::Resolve {
                    session,
                    transport,
                    host,
                    port,
                } => self.resolve(session, transport, host, port),
                Output::Event(event) => self.event(event),
            }
        }
    }

    fn send(&mut self, flow: Flow, bytes: Bytes) {
        if flow.connection == 0 {
            return self.sockets.send(&flow, &bytes);
        }
        if let Some((_, waiting)) = self.waiting.get_mut(&flow.connection) {
            if waiting.len() < net::MAX_WRITE_QUEUE {
                waiting.push(bytes);
            }
            return;
        }
        let sent = self.connections.get(&flow.connection).map(|c| c.send(bytes));
        if sent == Some(false) {
            self.closed(flow.connection, true);
        }
    }

    fn event(&mut self, event: SessionEvent) {
        let at = now().unix_ms;
        if let (SessionEvent::Ended(ended), Some(journal)) = (&event, &self.journal)
            && let Ok(line) = serde_json::to_vec(ended)
        {
            // A full journal must not stop calls: it counts its own losses.
            let _ = journal.append(line);
        }
        tracing::debug!(?event, "session");
        self.events.add(at, event);
    }

    fn resolve(
        &mut self,
        session: crate::session::SessionId,
        transport: Transport,
        host: String,
        port: u16,
    ) {
        let (permits, inbound) = (self.resolving.clone(), self.inbound.clone());
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            let address = found.ok().and_then(|mut all| all.next());
            let resolved = Inbound::Resolved {
                session,
                transport,
                address,
            };
            let _ = inbound.send(resolved).await;
        });
    }

    /// Does what the API asks; a drain time when the host shall stop.
    fn command(&mut self, command: Command) -> Option<Duration> {
        match command {
            Command::Sessions(answer) => {
                let list = SessionList {
                    instance: self.instance.clone(),
                    cursor: self.events.cursor(),
                    sessions: self.core.session_views(),
                };
                let _ = answer.send(list);
            }
            Command::End(id, answer) => {
                let _ = answer.send(self.core.end_session(id, now()));
            }
            Command::Drain(draining) => self.core.set_draining(draining),
            Command::Gauges(answer) => {
                let gauges: Gauges = self.core.gauges();
                let _ = answer.send(gauges);
            }
            Command::Stop { drain } => {
                self.core.set_draining(true);
                return Some(drain);
            }
        }
        None
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
