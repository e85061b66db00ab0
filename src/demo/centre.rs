//! The centre that the demo runs against: a relay and a control node of this process, on loopback
//! ports that are free, with a data directory that goes when the demo ends.

use anyhow::{Context, Result, bail};
use patchbay_sip::Transport;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, Listen, ListenTransport};
use crate::scratch;
use crate::up::{self, Leave, Parts, Running};

/// A request to the API takes this long at most.
const API_PATIENCE: Duration = Duration::from_secs(5);
/// Sessions that the demo's relay has room for.
const SESSIONS: usize = 256;

/// A running centre and how to reach it.
pub struct DemoCentre {
    /// Where phones send SIP over UDP.
    pub sip_udp: SocketAddr,
    /// Where phones connect for SIP over TCP.
    pub sip_tcp: SocketAddr,
    /// Root of the API, without a slash at the end.
    pub api_url: String,
    /// Opens the API.
    pub token: String,
    running: Running,
    data: PathBuf,
}

/// What the relay counted.
pub struct Relayed {
    /// Datagrams sent on.
    pub packets: u64,
    /// Datagrams not sent on, by reason.
    pub drops: Vec<(String, u64)>,
    /// From the kernel's receipt of a packet until it was handed over for sending, nanoseconds.
    pub forwarding: patchbay_bench::report::Quantiles,
    /// Pairs that are still open.
    pub open: usize,
}

impl DemoCentre {
    /// Starts it.
    ///
    /// # Errors
    /// Whatever hinders a part.
    pub async fn start() -> Result<Self> {
        let data = scratch::directory("patchbay-demo")?;
        let config = config(data.clone())?;
        let running = up::start(&config, Parts::Both).await?;
        let (Some(relay), Some(control)) = (&running.relay, &running.control) else {
            bail!("a part of the centre did not start");
        };
        let sip = |transport| {
            relay
                .sip(transport)
                .context("the relay has no such listener")
        };
        Ok(Self {
            sip_udp: sip(Transport::Udp)?,
            sip_tcp: sip(Transport::Tcp)?,
            api_url: format!("http://{}", control.api),
            token: control.token.expose().to_owned(),
            running,
            data,
        })
    }

    /// A client for the API.
    pub fn client(&self) -> reqwest::Client {
        reqwest::Client::new()
    }

    /// Declares queues, agents and rules; the body is a `centre.toml`.
    ///
    /// # Errors
    /// The API refuses it, with its words.
    pub async fn apply(&self, client: &reqwest::Client, declaration: &str) -> Result<()> {
        let url = format!("{}/api/v1/centre", self.api_url);
        let request = client
            .put(url)
            .timeout(API_PATIENCE)
            .bearer_auth(&self.token)
            .header("content-type", "application/toml")
            .body(declaration.to_owned());
        let answer = request.send().await.context("the API does not answer")?;
        if !answer.status().is_success() {
            let status = answer.status();
            bail!(
                "the API refuses the centre: {status} {}",
                answer.text().await?
            );
        }
        Ok(())
    }

    /// What the relay's packet engine has counted.
    pub fn relayed(&self) -> Relayed {
        let Some(relay) = &self.running.relay else {
            let forwarding = patchbay_bench::report::Quantiles::default();
            return Relayed {
                packets: 0,
                drops: Vec::new(),
                forwarding,
                open: 0,
            };
        };
        let totals = relay.engine.totals();
        let drops = totals.drops.iter().filter(|(_, count)| *count > 0);
        Relayed {
            packets: totals.forwarded(),
            drops: drops
                .map(|(reason, count)| (format!("{reason:?}"), count))
                .collect(),
            forwarding: patchbay_bench::report::Quantiles::micros(&totals.forwarding_time),
            open: totals.pairs_open,
        }
    }

    /// Ends it and removes its data.
    pub async fn stop(self) {
        self.running.shutdown(Leave::Drain(Duration::ZERO)).await;
        // What cannot be removed is in the temporary directory anyway.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn config(data: PathBuf) -> Result<Config> {
    let mut config = Config::load(None, Some(data))?.config;
    let [control_sip, control_api, relay_api] = scratch::free_ports()?;
    let sip = scratch::free_for_both()?;
    config.relay.listen = [ListenTransport::Udp, ListenTransport::Tcp]
        .map(|transport| Listen {
            transport,
            address: sip,
        })
        .to_vec();
    config.relay.control = vec![control_sip];
    config.relay.api = relay_api;
    config.relay.max_sessions = config.relay.max_sessions.min(SESSIONS);
    config.control.sip = control_sip;
    config.control.api = control_api;
    config.control.relays = vec![format!("http://{relay_api}")];
    Ok(config)
}
