//! Starting a node.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use patchbay_core::QueueId;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::asking::Asking;
use super::config::ControlConfig;
use super::gauges::Gauges;
use super::handle::{EVENT_BACKLOG, MAX_COMMANDS, NodeHandle, Published};
use super::journal::journal;
use super::machine::Machine;
use super::programs::Requests;
use super::run::{Node, unix_ms};
use super::site_requests::SiteRequests;
use super::tunnels::Tunnels;
use super::waiters::Waiters;
use super::wire::{Connections, MAX_WIRE_EVENTS, NearLink, Wire, WireCounters};
use crate::link::{LinkError, RelayClient, follow};
use crate::signalling::SignallingConfig;
use crate::store::{Store, StoreError};
use patchbay_tls::keep_fresh;

/// How long before the node's start its clock begins: contacts may have arrived before it.
const HEAD_START: Duration = Duration::from_secs(400 * 86_400);

/// Reports of the relay links that may wait for the node's task.
const MAX_REPORTS: usize = 1024;

/// Links from this process that may wait to be taken.
const MAX_NEAR_LINKS: usize = 4;

/// How long connections may take to write their last answers when the node stops.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// Shortest link secret, bytes; shorter ones can be guessed.
pub const MIN_SECRET_BYTES: usize = patchbay_route::transfer::MIN_SECRET_BYTES;

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The SIP listener's address cannot be used.
    #[error("cannot listen for relays on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The link secret is too short.
    #[error("the link secret needs {MIN_SECRET_BYTES} characters at least")]
    ShortSecret,
    /// No randomness from the system.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The store does not give what it holds.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A relay's client cannot be set up.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// A running node.
#[derive(Debug)]
pub struct Control {
    /// The way to ask it.
    pub handle: NodeHandle,
    /// Where it listens for relays.
    pub sip_addr: SocketAddr,
    /// Where a relay in this process hands over its end of a link.
    pub near: mpsc::Sender<NearLink>,
    /// Ends when the node has ended: after [`NodeHandle::shutdown`], or when all handles are
    /// dropped. Everything that was to be stored is stored by then.
    pub join: JoinHandle<()>,
}

/// Starts a node: opens its listener, loads what it knew, follows its relays.
///
/// # Errors
/// [`ControlError`]; nothing is left running then.
pub async fn start(config: ControlConfig, store: Store) -> Result<Control, ControlError> {
    if config.link_secret.expose().len() < MIN_SECRET_BYTES {
        return Err(ControlError::ShortSecret);
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| ControlError::Random(e.to_string()))?;
    let clients: Vec<RelayClient> = config
        .relay_urls
        .iter()
        .map(|url| {
            let client = RelayClient::new(url, config.link_secret.clone())?;
            let near = config.near.as_ref().filter(|(near, _)| near == url);
            let events = near.map(|(_, events)| events.clone());
            Ok(client.secured(config.link_tls.clone()).near(events))
        })
        .collect::<Result<_, LinkError>>()?;
    let machine = remembered(&config, &store, seed).await?;
    let address = config.sip_listen;
    let listening = |source| ControlError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let sip_addr = listener.local_addr().map_err(listening)?;
    info!(%sip_addr, "listening for relays");
    Ok(spawn(&config, store, machine, clients, listener, sip_addr))
}

/// A machine that knows what the store kept.
async fn remembered(
    config: &ControlConfig,
    store: &Store,
    seed: [u8; 32],
) -> Result<Machine, ControlError> {
    let signalling = SignallingConfig {
        realm: config.realm.clone(),
        digest: config.digest.clone(),
        expiry: config.expiry,
        trusted: config.trusted.clone(),
        screen_pop_url: config.screen_pop_url.clone(),
        link_secret: config.link_secret.clone(),
        transfer: config.transfer,
        transactions: patchbay_sip::transaction::Config::default(),
    };
    let at = Instant::now().into_std();
    let start = at.checked_sub(HEAD_START).unwrap_or(at);
    let mut machine = Machine::new(signalling, config.relay_urls.clone(), seed, start);
    let now = machine.moment(at, unix_ms());
    machine.begin(now);
    if let Some((version, centre)) = store.load_centre().await? {
        machine.configure(Arc::new(centre), version, now);
    }
    let bindings = store.load_bindings(now.unix_ms()).await?;
    info!(
        bindings = bindings.len(),
        agents = machine.centre().agents.len(),
        "loaded"
    );
    machine.restore(bindings, now);
    let queues = machine.centre().queues.iter();
    let sticky: Vec<QueueId> = queues
        .filter(|queue| queue.sticky_seconds.is_some())
        .map(|queue| queue.id.clone())
        .collect();
    machine.remember_last(store.last_agents(&sticky).await?);
    machine.restore_carried(store.load_carried().await?, now);
    machine.restore_promises(store.load_call_backs().await?, now);
    Ok(machine)
}

fn spawn(
    config: &ControlConfig,
    store: Store,
    machine: Machine,
    clients: Vec<RelayClient>,
    listener: TcpListener,
    sip_addr: SocketAddr,
) -> Control {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (commands, command_queue) = mpsc::channel(MAX_COMMANDS);
    let (wire_events, wire_queue) = mpsc::channel(MAX_WIRE_EVENTS);
    let (reports, report_queue) = mpsc::channel(MAX_REPORTS);
    let (relist, relist_asked) = watch::channel(0);
    let (centre, centre_seen) = watch::channel(Arc::clone(machine.centre()));
    let (events, _) = broadcast::channel(EVENT_BACKLOG);
    let published = Arc::<RwLock<Published>>::default();
    let wire_counters = Arc::<WireCounters>::default();

    for (relay, client) in clients.iter().cloned().enumerate() {
        tokio::spawn(follow(relay, client, relist_asked.clone(), reports.clone()));
    }
    let tunnels = Tunnels::new(
        &clients,
        &wire_events,
        Arc::clone(&wire_counters),
        stop.clone(),
        tasks.clone(),
    );
    let wire = Wire {
        events: wire_events,
        counters: Arc::clone(&wire_counters),
        allowed: config
            .allowed_relays
            .iter()
            .map(|ip| ip.to_canonical())
            .collect(),
        tls: config.link_tls.clone(),
        idle_limit: config.idle_limit,
        stop: stop.clone(),
        tasks: tasks.clone(),
    };
    let (near, near_links) = mpsc::channel(MAX_NEAR_LINKS);
    tokio::spawn(wire.listen(listener, near_links));
    if let Some(tls) = config.link_tls.clone() {
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(keep_fresh(tls)).await });
    }
    let (journal, writer) = journal(store.clone(), events.clone(), stop.clone());
    let writer = tokio::spawn(writer.run());
    let gauges = Arc::new(watch::Sender::new(Gauges::default()));
    let (asking, answers) = Asking::new(store.clone());
    let (programs, replies) = Requests::new();
    let (sites, news) = SiteRequests::new(&config.realm);
    let node = Node {
        machine,
        connections: Connections::default(),
        tunnels,
        asking,
        answers,
        programs,
        replies,
        sites,
        news,
        wire: wire_queue,
        wire_counters,
        commands: command_queue,
        reports: report_queue,
        clients,
        relist,
        journal,
        gauges: Arc::clone(&gauges),
        centre,
        published: Arc::clone(&published),
        stopping: Vec::new(),
        waiters: Waiters::default(),
    };
    let handle = NodeHandle::new(commands, centre_seen, published, (events, gauges), store);
    let join = tokio::spawn(async move {
        // The node's ends of all queues are dropped when it returns: connections then write
        // what is left and close.
        let done = node.run().await;
        tasks.close();
        let _late = tokio::time::timeout(LAST_WRITES, tasks.wait()).await;
        stop.cancel();
        let _panicked = writer.await;
        for done in done {
            let _gone = done.send(());
        }
        info!("the control node has stopped");
    });
    Control {
        handle,
        sip_addr,
        near,
        join,
    }
}
