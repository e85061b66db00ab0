//! The relay host at work: sockets, clocks and tasks around the signalling core.

mod leave;
mod names;
mod run;
mod sockets;
mod supervisor;
mod tap;

pub use leave::{Found, MAX_HAND_OVER_AGE};
pub use names::{DNS_TIME, LOCATE_TIME, MAX_CACHED_ANSWERS, MAX_RECORDS};

use crate::api::{self, Command};
use crate::audio::{Library, LibraryError};
use crate::config::RelayConfig;
use crate::edge::paths::{Listener, Paths};
use crate::edge::{Config, Core};
use crate::engine::{Engine, EngineError};
use crate::files::Journal;
use crate::net::{self, Door, Inbound, KernelRoutes, LinkTo, LinkWay};
use crate::player::Player;
use crate::trace::{MAX_RING_BYTES, MAX_TRACES, Tap};
use names::Names;
use patchbay_sip::Transport;
use patchbay_sip::transaction;
use patchbay_tls::{Endpoint, Files, TlsError, Trust, keep_fresh};
use run::Host;
use rustc_hash::FxHashMap;
use sockets::{Sockets, bind_tcp};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Commands of the API that wait.
const MAX_COMMANDS: usize = 256;

/// Why a relay host did not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The packet engine.
    #[error("the packet engine cannot start: {0}")]
    Engine(#[from] EngineError),
    /// A listener.
    #[error("cannot listen on {what} {address}: {source}")]
    Bind {
        /// The transport, or `relay API`.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The journal of ended sessions.
    #[error("cannot write the session journal: {0}")]
    Journal(String),
    /// Certificate files.
    #[error("{source}; {}", source.remedy())]
    Tls {
        /// What is wrong with them.
        #[from]
        source: TlsError,
    },
    /// A listener that needs a certificate, and none is configured.
    #[error("listening on {0} needs relay.tls_certificate and relay.tls_key")]
    NoCertificate(Transport),
    /// The sounds for callers who wait.
    #[error(transparent)]
    Sounds(#[from] LibraryError),
    /// What plays them.
    #[error("the player of sounds cannot start: {0}")]
    Player(io::Error),
    /// The resolver of names.
    #[error("names cannot be looked up: {0}")]
    Names(String),
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
    /// What became of the calls that the process before had handed over; none without any.
    pub found: Option<Found>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Binds and starts everything, with the calls that the process before has handed over.
    pub async fn start(config: RelayConfig) -> Result<Self, RelayError> {
        let engine = Engine::start(config.engine.clone())?;
        let journal = match &config.journal {
            Some(path) => {
                Some(Journal::open(path).map_err(|e| RelayError::Journal(e.to_string()))?)
            }
            None => None,
        };
        let (inbound, receive) = mpsc::channel(net::MAX_INBOUND);
        let door = Arc::new(door(&config)?);
        let link_tls = open_tls(config.link_tls.as_ref(), Trust::Mutual)?;
        let sockets = Sockets::bind(&config, &door, &inbound).await?;
        let listen = sockets.listen.clone();
        let (commands, orders) = mpsc::channel(MAX_COMMANDS);
        let events = config.events.clone();
        let instance = format!(
            "{:016x}",
            seed()?.iter().fold(0_u64, |s, b| s << 4 ^ u64::from(*b))
        );
        let api_listener = bind_tcp("relay API", config.api).await?;
        let api = api_listener.local_addr().unwrap_or(config.api);
        let player = player(&config, inbound.clone())?;
        let shared = api::Shared {
            secret: config.link_secret.clone(),
            commands: commands.clone(),
            events: events.clone(),
            engine: engine.clone(),
            instance: instance.clone(),
            max_sessions: config.max_sessions,
            door: Arc::clone(&door),
            link_tls: link_tls.clone(),
            tunnels: api::Tunnels::new(inbound.clone()),
            handshakes: api::Handshakes::default(),
            player: player.counts(),
            traces: Arc::new(Semaphore::new(MAX_TRACES)),
        };
        let mut core = core(&config, &engine, &listen, player.port())?;
        core.keep_joints(config.trace_ring.min(MAX_RING_BYTES) / tap::RING_BYTES_PER_CALL);
        // What phones and control have sent meanwhile waits for the host.
        let left = leave::look_for(config.hand_over.as_deref());
        let found = left.and_then(|left| leave::take_over(&mut core, left));
        let (links, mut served) = follow_control(&config, link_tls.as_ref(), api, &inbound);
        let fresh = [door.tls.clone(), link_tls].into_iter().flatten();
        served.extend(fresh.map(|tls| tokio::spawn(keep_fresh(tls)).abort_handle()));
        let host = Host {
            core,
            engine: engine.clone(),
            sockets,
            door,
            inbound,
            links,
            connections: FxHashMap::default(),
            waiting: FxHashMap::default(),
            events,
            player,
            journal,
            hand_over: config.hand_over.clone(),
            instance,
            names: Arc::new(Names::open(&config.dns)?),
            tap: Tap::new(config.trace_ring),
            waiting_messages: 0,
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
            found,
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

impl Relay {
    /// Takes no new calls, leaves those that are established to the next process, and stops: within
    /// a second, without a word to their parties. If they cannot be left they are ended.
    pub async fn hand_over(self) {
        let _ = self.commands.send(Command::HandOver).await;
        let _ = self.task.await;
        self.engine.shutdown();
    }
}

fn core(
    config: &RelayConfig,
    engine: &Engine,
    listen: &[(Transport, SocketAddr)],
    player_port: u16,
) -> Result<Core, RelayError> {
    let listeners = listen
        .iter()
        .map(|(transport, bound)| Listener {
            transport: *transport,
            bound: *bound,
        })
        .collect();
    let seed = seed()?;
    let first_connection = seed
        .iter()
        .take(6)
        .fold(1, |sum, byte| sum << 8 | u64::from(*byte));
    let advertise = config.advertise.clone();
    let paths = Paths::new(
        listeners,
        advertise,
        Box::new(KernelRoutes),
        first_connection,
    )
    .named(config.tls_name.clone());
    let settings = Config {
        name: config.name.clone(),
        secret: config.link_secret.0.clone(),
        max_sessions: config.max_sessions,
        timers: transaction::Config::default(),
        media_timeout: config.media_timeout,
        hold_timeout: config.hold_timeout,
        session_expires: config.session_expires,
        max_calls: config.max_calls,
        failover_after: config.failover_after,
        large_over_tcp: config.large_over_tcp,
        deny_methods: config.deny_methods.clone(),
        player_port: Some(player_port),
        draining: false,
    };
    Ok(Core::new(settings, Box::new(engine.clone()), paths, seed))
}

/// What callers hear who wait, and where the keys go that they press.
fn player(config: &RelayConfig, inbound: mpsc::Sender<Inbound>) -> Result<Player, RelayError> {
    let loaded = config.sounds.as_deref().map(Library::load).transpose()?;
    let library = || loaded.unwrap_or_else(Library::builtin);
    let seed = seed()?
        .iter()
        .fold(0, |sum, byte| sum << 8 ^ u64::from(*byte));
    // A key that finds no room is pressed again.
    let pressed = move |session, key| drop(inbound.try_send(Inbound::Pressed { session, key }));
    Player::start(library, &config.engine.ports, seed, pressed).map_err(RelayError::Player)
}

fn seed() -> Result<[u8; 32], RelayError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| RelayError::Random)?;
    Ok(seed)
}

/// What the public listeners share.
fn door(config: &RelayConfig) -> Result<Door, RelayError> {
    let tls = open_tls(config.tls.as_ref(), Trust::Public)?;
    let needs = |(transport, _): &&(Transport, SocketAddr)| {
        matches!(transport, Transport::Tls | Transport::Wss)
    };
    if let (None, Some((transport, _))) = (&tls, config.listen.iter().find(needs)) {
        return Err(RelayError::NoCertificate(*transport));
    }
    let seed = seed()?;
    let (first, second) = seed.split_at(16);
    let seeds = [first, second].map(|half| half.iter().fold(0, |sum, b| sum << 8 ^ u64::from(*b)));
    Ok(Door::new(tls, config.origins.clone(), seeds))
}

fn open_tls(files: Option<&Files>, trust: Trust) -> Result<Option<Arc<Endpoint>>, RelayError> {
    let Some(files) = files else { return Ok(None) };
    let now = i64::try_from(run::now().unix_ms / 1000).unwrap_or(i64::MAX);
    Ok(Some(Arc::new(Endpoint::open(files.clone(), trust, now)?)))
}

/// What control in this process knows us by: our private API, at an address that is one.
fn own(api: SocketAddr, control: SocketAddr) -> SocketAddr {
    match api.ip().is_unspecified() {
        true => SocketAddr::new(control.ip(), api.port()),
        false => api,
    }
}

fn follow_control(
    config: &RelayConfig,
    tls: Option<&Arc<Endpoint>>,
    api: SocketAddr,
    inbound: &mpsc::Sender<Inbound>,
) -> (Vec<watch::Sender<u64>>, Vec<tokio::task::AbortHandle>) {
    let step = config.control.len() as u64;
    let follow = |(index, address): (usize, &SocketAddr)| {
        let (closed, watching) = watch::channel(0);
        let numbers = (index as u64, step);
        let way = match (&config.near, tls) {
            // Who shares a process needs to show nobody anything.
            (Some((near, door)), _) if near == address => {
                LinkWay::Near(door.clone(), own(api, *near))
            }
            (_, Some(tls)) => LinkWay::Secured(Arc::clone(tls)),
            (_, None) => LinkWay::Plain,
        };
        let to = LinkTo {
            address: *address,
            way,
        };
        let task = net::follow_control(to, numbers, inbound.clone(), watching);
        (closed, tokio::spawn(task).abort_handle())
    };
    config.control.iter().enumerate().map(follow).unzip()
}
