//! Starting a relay, a control node, or both in one process.

use crate::config::{self, Config, ListenTransport, link, reachable};
use anyhow::{Context, Result};
use patchbay_control::api::{self, Api, Token};
use patchbay_control::link::{NearEvents, RelayClient};
use patchbay_control::node::{self, Control, ControlConfig, NearLink};
use patchbay_control::registrar::Expiry;
use patchbay_control::store::Store;
use patchbay_relay::engine::{EngineConfig, EngineKind, KeepFlows, xdp};
use patchbay_relay::events::{Events, Replay};
use patchbay_relay::{Relay, RelayConfig, Secret};
use patchbay_sip::Transport;
use patchbay_tls::{Endpoint, Files, Trust};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Pairs that one session may need on average: audio, and video now and then.
const PAIRS_PER_SESSION: usize = 2;

/// Which halves of the product run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// A relay and a control node.
    Both,
    /// A relay host.
    Relay,
    /// A control node.
    Control,
}

/// What becomes of the calls when a process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// No new calls; the others may end by themselves within this time, then the rest is ended.
    Drain(Duration),
    /// Those that are established go on in the next process of the relay.
    HandOver,
}

/// A running control node with its API.
pub struct RunningControl {
    /// The node.
    pub node: Control,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Opens the API.
    pub token: Token,
    stop_api: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// What runs in this process.
pub struct Running {
    /// The relay host.
    pub relay: Option<Relay>,
    /// The control node.
    pub control: Option<RunningControl>,
    /// Relay and control show each other certificates.
    link_tls: bool,
}

/// Starts the parts. Control comes first, so that the relay finds it at once.
///
/// # Errors
/// Whatever hinders a part, with what to do about it.
pub async fn start(config: &Config, parts: Parts) -> Result<Running> {
    let file = &config.link.secret_file;
    let secret = match parts {
        Parts::Both => link::read_or_create(file)?,
        Parts::Relay | Parts::Control => link::read(file)?,
    };
    let events = Events::default();
    let near_events = (parts == Parts::Both)
        .then(|| near_relay(config, &events))
        .flatten();
    let control = match parts {
        Parts::Relay => None,
        Parts::Both | Parts::Control => Some(start_control(config, &secret, near_events).await?),
    };
    let near = control
        .as_ref()
        .map(|control| (reachable(control.node.sip_addr), control.node.near.clone()));
    let relay = match parts {
        Parts::Control => None,
        Parts::Both | Parts::Relay => Some(start_relay(config, &secret, near, events).await?),
    };
    Ok(Running {
        relay,
        control,
        link_tls: config.link.tls.is_some(),
    })
}

/// The URL of the relay in this process, if control is to follow it, and its events.
fn near_relay(config: &Config, events: &Events) -> Option<(String, NearEvents)> {
    let own = reachable(config.relay.api);
    let is_near = |url: &&String| {
        let place = url.split_once("://").map(|(_, place)| place);
        place.and_then(|place| place.trim_end_matches('/').parse().ok()) == Some(own)
    };
    let url = config.control.relays.iter().find(is_near)?.clone();
    let events = events.clone();
    let after = move |cursor| match events.after(cursor) {
        Replay::From(kept, live) => Some((kept, live)),
        Replay::Gone => None,
    };
    Some((url, NearEvents::new(after)))
}

async fn start_control(
    config: &Config,
    secret: &str,
    near: Option<(String, NearEvents)>,
) -> Result<RunningControl> {
    let store = Store::open(&config.data).await?;
    let token = Token::read_or_create(&config.data)?;
    let secret = patchbay_control::link::Secret::new(secret);
    let link_tls = match &config.link.tls {
        None => None,
        Some(files) => Some(Arc::new(open_link(files)?)),
    };
    let settings = ControlConfig {
        link_tls: link_tls.clone(),
        sip_listen: config.control.sip,
        relay_urls: config.control.relays.clone(),
        near,
        realm: config.control.realm.clone(),
        digest: config.control.digest.clone(),
        expiry: Expiry {
            min_s: config.control.register_min.as_secs(),
            max_s: config.control.register_max.as_secs(),
        },
        trusted: config.control.trusted.clone(),
        screen_pop_url: config.control.screen_pop_url.clone(),
        transfer: config.control.transfer,
        allowed_relays: config.control.allowed_relays.clone(),
        ..ControlConfig::new(secret.clone())
    };
    let relays = settings
        .relay_urls
        .iter()
        .map(|url| Ok(RelayClient::new(url, secret.clone())?.secured(link_tls.clone())))
        .collect::<Result<_>>()?;
    let listener = TcpListener::bind(config.control.api)
        .await
        .with_context(|| format!("cannot listen for the API on {}", config.control.api))?;
    let address = listener.local_addr()?;
    let node = node::start(settings, store.clone()).await?;
    let api = Api {
        node: node.handle.clone(),
        store,
        token: token.clone(),
        relays,
        settings: config.control.settings,
    };
    let (stop_api, stopping) = oneshot::channel();
    let serving = tokio::spawn(async move {
        let stopped = async {
            // A sender that was dropped means the same as a message: stop.
            let _ = stopping.await;
        };
        if let Err(error) = api::serve(listener, api, stopped).await {
            tracing::error!(%error, "the API stopped");
        }
    });
    Ok(RunningControl {
        node,
        api: address,
        token,
        stop_api,
        serving,
    })
}

/// What control shows its relays, and whom it believes.
fn open_link(files: &Files) -> Result<Endpoint> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
    Endpoint::open(files.clone(), Trust::Mutual, now).map_err(|error| {
        let remedy = error.remedy();
        anyhow::Error::new(error).context(remedy)
    })
}

async fn start_relay(
    config: &Config,
    secret: &str,
    near: Option<(SocketAddr, mpsc::Sender<NearLink>)>,
    events: Events,
) -> Result<Relay> {
    let relay = &config.relay;
    let listen = relay.listen.iter().map(|listen| {
        let transport = match listen.transport {
            ListenTransport::Udp => Transport::Udp,
            ListenTransport::Tcp => Transport::Tcp,
            ListenTransport::Tls => Transport::Tls,
            ListenTransport::Ws => Transport::Ws,
            ListenTransport::Wss => Transport::Wss,
        };
        (transport, listen.address)
    });
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot create {}", config.data.display()))?;
    let settings = RelayConfig {
        name: "patchbay".into(),
        listen: listen.collect(),
        tls: relay.tls.clone(),
        tls_name: relay.tls_name.clone(),
        origins: relay.websocket_origins.clone(),
        link_tls: config.link.tls.clone(),
        advertise: relay.advertise.clone(),
        control: relay.control.clone(),
        near,
        events,
        api: relay.api,
        link_secret: Secret(secret.as_bytes().to_vec()),
        max_sessions: relay.max_sessions,
        media_timeout: relay.media_timeout,
        hold_timeout: relay.hold_timeout,
        session_expires: relay.session_expires,
        max_calls: relay.max_calls,
        failover_after: relay.failover_after,
        large_over_tcp: relay.large_over_tcp,
        dns: relay.dns.clone(),
        deny_methods: relay.deny_methods.clone(),
        engine: EngineConfig {
            threads: relay.threads,
            cpus: relay.cpus.clone(),
            ports: relay.media_ports.clone(),
            sockets: relay.media_sockets,
            kind: relay.engine,
            devices: interfaces(relay),
            keep: relay.hand_over.then(|| KeepFlows {
                directory: relay.pin_directory.clone(),
                time: patchbay_relay::MAX_HAND_OVER_AGE,
            }),
            dscp: relay.media_dscp,
            max_pairs: relay.max_sessions * PAIRS_PER_SESSION,
            seed: u64::from_ne_bytes(seed),
            ..EngineConfig::default()
        },
        sounds: sounds(config),
        journal: Some(config.data.join("sessions.jsonl")),
        trace_ring: relay.trace_ring,
        hand_over: Some(config.data.join("hand-over.json")),
    };
    Ok(Relay::start(settings).await?)
}

/// The folder of a relay's sounds: the one that is named, or the usual one if it is there.
pub fn sounds(config: &Config) -> Option<PathBuf> {
    let usual = || Some(config.data.join("sounds")).filter(|folder| folder.is_dir());
    config.relay.sounds.clone().or_else(usual)
}

/// The interfaces at which media may be sent on: those that are named, or, of a relay that faces a
/// network, those of its default routes.
fn interfaces(relay: &config::Relay) -> Vec<String> {
    let faces_network = relay
        .listen
        .iter()
        .any(|listen| !listen.address.ip().is_loopback());
    match relay.engine {
        EngineKind::Auto if relay.interfaces.is_empty() && faces_network => {
            xdp::default_interfaces()
        }
        _ => relay.interfaces.clone(),
    }
}

impl Running {
    /// Where this process can be reached, a line each.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (transport, address) in self.relay.iter().flat_map(|relay| &relay.listen) {
            let transport = transport.to_string().to_ascii_lowercase();
            lines.push(format!("SIP        {transport} {address}"));
        }
        if let Some(relay) = &self.relay {
            lines.push(format!("media      {}", relay.engine.media_path()));
            let scheme = if self.link_tls { "https" } else { "http" };
            lines.push(format!("relay API  {scheme}://{} (private)", relay.api));
            if let Some(found) = &relay.found {
                lines.push(format!("calls      {found}"));
            }
        }
        if let Some(control) = &self.control {
            let transport = if self.link_tls { "tls" } else { "tcp" };
            lines.push(format!(
                "relays     {transport} {} (private)",
                control.node.sip_addr
            ));
            lines.push(format!("API        http://{}/api/v1", control.api));
            let token = control.token.expose();
            lines.push(format!("console    http://{}/#token={token}", control.api));
        }
        lines
    }

    /// Stops, and what becomes of the calls is said by `way`.
    pub async fn shutdown(self, way: Leave) {
        match (self.relay, way) {
            (None, _) => {}
            (Some(relay), Leave::Drain(drain)) => relay.shutdown(drain).await,
            (Some(relay), Leave::HandOver) => relay.hand_over().await,
        }
        if let Some(control) = self.control {
            control.node.handle.shutdown().await;
            // The API may have stopped already.
            let _ = control.stop_api.send(());
            let _ = control.serving.await;
            let _ = control.node.join.await;
        }
    }
}
