//! `patchbay.toml`: how the processes of Patchbay are set up on a host.
//!
//! What the centre is (queues, agents, rules) is not here but in `centre.toml`, which is applied to
//! a running control node. Every key has a default, so that no file is needed to begin with.

mod advice;
pub mod centre;
mod certificates;
pub mod fields;
pub mod link;
pub mod problem;
pub mod reader;
pub mod source;

mod cross;
mod raw;
#[cfg(test)]
mod tests;

pub use raw::reachable;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchbay_control::api::Settings;
use patchbay_core::Network;
use patchbay_relay::edge::overload::CallLimit;
use patchbay_relay::engine::{EngineKind, MediaSockets};
use patchbay_route::transfer::Carrier;
use patchbay_sip::Method;
use patchbay_sip::digest::Algorithm;
use patchbay_tls::Files;
pub use problem::{Problems, Report};
use raw::{CONTROL_SIP, RELAY_API, Raw, RawControl, RawRelay, RawTls};

pub use source::{Environment, Source};

/// Most packet threads of one relay.
pub const MAX_THREADS: usize = 256;
/// Highest number of a CPU in `relay.cpus`.
pub const MAX_CPU: usize = 4095;
/// UDP ports that one audio session takes: RTP and RTCP, on the caller's and on the agent's side.
pub const PORTS_PER_SESSION: usize = 4;

/// The keys of the file's top level; they tell this file from a `centre.toml`.
pub const TOP_LEVEL_KEYS: [&str; 4] = ["data", "relay", "control", "link"];

/// Everything that `patchbay.toml` says, with defaults filled in and paths resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where state is kept: database, API token, link secret.
    pub data: PathBuf,
    /// The relay host.
    pub relay: Relay,
    /// The control node.
    pub control: Control,
    /// What joins the two.
    pub link: Link,
}

/// `[relay]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Public SIP listeners.
    pub listen: Vec<Listen>,
    /// The certificate of the listeners on TLS and WSS.
    pub tls: Option<Files>,
    /// The host's name in the place of its address wherever TLS must prove it.
    pub tls_name: Option<String>,
    /// Origins of the pages that may open WebSockets; empty: all.
    pub websocket_origins: Vec<String>,
    /// Addresses that peers are told to send to; empty: those of the interface that is used.
    pub advertise: Vec<IpAddr>,
    /// Private SIP listeners of the control nodes, which the relay dials.
    pub control: Vec<SocketAddr>,
    /// Private HTTP API.
    pub api: SocketAddr,
    /// Packet threads.
    pub threads: usize,
    /// CPUs that the packet threads are pinned to, one each; empty: not pinned.
    pub cpus: Vec<usize>,
    /// UDP ports for media.
    pub media_ports: RangeInclusive<u16>,
    /// How these are received.
    pub media_sockets: MediaSockets,
    /// Where settled media is sent on.
    pub engine: EngineKind,
    /// Network interfaces at which that is done without sockets; empty: none, or those that are
    /// found.
    pub interfaces: Vec<String>,
    /// A directory of a BPF file system, by which settled media goes on while calls are handed over.
    pub pin_directory: PathBuf,
    /// The DSCP that media leaves with, 0 to 63; `None`: the one that it came with.
    pub media_dscp: Option<u8>,
    /// Most sessions at a time; further calls are refused with 503.
    pub max_sessions: usize,
    /// A call without any packet for so long is ended.
    pub media_timeout: Duration,
    /// The same for a call on hold.
    pub hold_timeout: Duration,
    /// A call whose phones can refresh it, and do not within this time, is ended (RFC 4028).
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
    /// Methods that do not pass inside a call.
    pub deny_methods: Vec<Method>,
    /// Bytes for the last messages, kept so that calls can be looked at afterwards; 0 keeps none.
    pub trace_ring: usize,
    /// A folder of sounds for callers who wait; `None`: `sounds` in the data folder, if it is there.
    pub sounds: Option<PathBuf>,
    /// After SIGTERM, established calls go on in the next process of the relay.
    pub hand_over: bool,
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Private SIP listener for the relays.
    pub sip: SocketAddr,
    /// HTTP API and status page.
    pub api: SocketAddr,
    /// Base URLs of the relays' private APIs, without an end slash.
    pub relays: Vec<String>,
    /// Realm of digest authentication.
    pub realm: String,
    /// Digests that phones are challenged with, the preferred first, unless their agent's
    /// declaration names its own.
    pub digest: Vec<Algorithm>,
    /// Networks whose word on who calls is believed.
    pub trusted: Vec<Network>,
    /// The URL that agents' phones get in Call-Info.
    pub screen_pop_url: Option<String>,
    /// How calls are transferred to the relays.
    pub transfer: Carrier,
    /// The shortest time that a phone may register for.
    pub register_min: Duration,
    /// The longest time that a phone may register for; longer wishes are shortened.
    pub register_max: Duration,
    /// Addresses from which relays may connect to `sip`.
    pub allowed_relays: Vec<IpAddr>,
    /// The rate of the API's tokens, and the length of its audit log.
    pub settings: Settings,
}

/// `[link]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The file with the secret that relay and control share.
    pub secret_file: PathBuf,
    /// The certificates by which relay and control know each other; none: the link is plain.
    pub tls: Option<Files>,
}

/// One SIP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// What it carries SIP by.
    pub transport: ListenTransport,
    /// Address and port; port 0: any free one.
    pub address: SocketAddr,
}

/// Transport of a SIP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl ListenTransport {
    /// All of them.
    pub const ALL: [ListenTransport; 5] = [
        ListenTransport::Udp,
        ListenTransport::Tcp,
        ListenTransport::Tls,
        ListenTransport::Ws,
        ListenTransport::Wss,
    ];

    /// As `listen` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            ListenTransport::Udp => "udp",
            ListenTransport::Tcp => "tcp",
            ListenTransport::Tls => "tls",
            ListenTransport::Ws => "ws",
            ListenTransport::Wss => "wss",
        }
    }

    /// Whether it needs a certificate.
    pub fn is_secure(self) -> bool {
        matches!(self, ListenTransport::Tls | ListenTransport::Wss)
    }

    /// The port without one in `listen`: that of the transport, but for WebSockets, which share
    /// theirs with web servers.
    pub fn default_port(self) -> Option<u16> {
        match self {
            ListenTransport::Udp | ListenTransport::Tcp => Some(5060),
            ListenTransport::Tls => Some(5061),
            ListenTransport::Ws | ListenTransport::Wss => None,
        }
    }
}

/// A configuration that can be used, and what was noticed while reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// Warnings only.
    pub warnings: Problems,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file is wrong; all its problems together.
    Wrong(Problems),
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigError::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            ConfigError::Wrong(problems) => write!(f, "{problems}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the file that was named on the command line, or takes the defaults without one.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read or has errors.
    pub fn load(file: Option<&Path>, data: Option<PathBuf>) -> Result<Checked, ConfigError> {
        let source = match file {
            None => Source::empty(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
                Source::new(path.to_string_lossy(), text)
            }
        };
        Config::read(&source, &Environment::of_process(), data).map_err(ConfigError::Wrong)
    }

    /// Reads a configuration. `data` is what `--data` says; it wins over the text.
    ///
    /// # Errors
    /// Every problem of the text, warnings included.
    pub fn read(
        source: &Source,
        environment: &Environment,
        data: Option<PathBuf>,
    ) -> Result<Checked, Problems> {
        let mut report = Report::new(source);
        let document = reader::parse(source.text(), &mut report);
        let mut top = reader::Section::new("", document.get_ref());
        let written = top.take(&mut report, "data", reader::parsed(fields::path));
        let data = data
            .or_else(|| written.map(|path| source.resolve(&path.value)))
            .unwrap_or_else(|| environment.default_data());
        let raw = Raw {
            relay: RawRelay::read(&mut top, &mut report),
            control: RawControl::read(&mut top, &mut report),
        };
        let mut link = top.section(&mut report, "link");
        let secret = link.take(&mut report, "secret_file", reader::parsed(fields::path));
        let link_tls = RawTls::read(&mut link, &mut report, ["certificate", "key", "ca"]);
        link.finish(&mut report);
        top.finish(&mut report);
        let control_sip = raw
            .control
            .sip
            .as_ref()
            .map_or(CONTROL_SIP, |sip| sip.value);
        let relay_api = raw.relay.api.as_ref().map_or(RELAY_API, |api| api.value);
        let config = Config {
            relay: raw.relay.finish(control_sip, source),
            control: raw.control.finish(relay_api, link_tls.is_whole()),
            link: Link {
                tls: link_tls.files(source),
                secret_file: secret.map_or_else(
                    || data.join(link::SECRET_FILE),
                    |path| source.resolve(&path.value),
                ),
            },
            data,
        };
        cross::check(&config, &raw, &mut report);
        certificates::check(&config, &raw, &link_tls, &mut report);
        let failed = report.has_errors();
        let warnings = report.finish();
        match failed {
            true => Err(warnings),
            false => Ok(Checked { config, warnings }),
        }
    }
}
