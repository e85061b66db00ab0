//! The sections of `patchbay.toml` as written, before defaults are filled in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use patchbay_control::api::Settings;
use patchbay_control::registrar::{MAX_EXPIRES_S, MIN_EXPIRES_S};
use patchbay_core::Network;
use patchbay_relay::edge::overload::CallLimit;
use patchbay_relay::engine::{EXPEDITED, EngineKind, MediaSockets};
use patchbay_route::transfer::Carrier;
use patchbay_sip::Method;
use patchbay_sip::digest::Algorithm;
use patchbay_tls::Files;

use super::fields;
use super::problem::{Fault, Report};
use super::reader::{self, Placed, Section, Value};
use super::source::Source;
use super::{Control, Listen, ListenTransport, MAX_CPU, MAX_THREADS, PORTS_PER_SESSION, Relay};

/// Where control waits for relays unless said otherwise.
pub const CONTROL_SIP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5070);
/// Where the relay's private API is unless said otherwise.
pub const RELAY_API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);
const CONTROL_API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where the program of settled media is kept over a restart unless said otherwise.
const PIN_DIRECTORY: &str = "/sys/fs/bpf/patchbay";
const SIP_PORT: u16 = 5060;
const MEDIA_PORTS: RangeInclusive<u16> = 20_000..=59_999;
const MAX_SESSIONS: usize = 5_000;
/// Without any packet for so long both phones are gone.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(300);
/// On hold both phones may rightly be silent.
const HOLD_TIMEOUT: Duration = Duration::from_secs(2 * 3600);
/// The interval that RFC 4028 section 4.2 recommends.
const SESSION_EXPIRES: Duration = Duration::from_secs(1800);
/// Seconds of a session interval that may be asked for (RFC 4028 section 5: 90 at least).
const SESSION_EXPIRES_S: RangeInclusive<usize> = 90..=86_400;
/// A phone has had a request four times by then (RFC 3261 section 17.1.1.2), and answers within 200 ms.
const FAILOVER_AFTER: Duration = Duration::from_secs(4);
/// Some 1,600 messages, 90 simple calls: small beside what standing calls take, and within the reach of a
/// processor's cache.
const TRACE_RING: usize = 1024 * 1024;
/// New calls a second that may be asked for.
const CALLS_PER_S: RangeInclusive<usize> = 1..=100_000;
/// Seconds that may be waited for a place: its transaction ends after 32 s.
const FAILOVER_S: RangeInclusive<usize> = 1..=30;
/// Seconds of silence that may be asked for: the relay looks every 15 s.
const SILENCE_S: RangeInclusive<usize> = 15..=86_400;
/// Seconds that a phone may be let register for.
const REGISTER_S: RangeInclusive<usize> = 1..=7 * 86_400;
/// Requests a second that each token of the API may be given.
const TOKEN_RATE: RangeInclusive<usize> = 1..=100_000;
/// Entries of the audit log that may be kept: some 300 bytes each.
const AUDIT_KEPT: RangeInclusive<usize> = 1_000..=10_000_000;
/// The field has six bits (RFC 2474).
const HIGHEST_DSCP: usize = 63;
/// More sessions than the ports of one address can carry are never useful.
const HIGHEST_MAX_SESSIONS: usize = 65_536 / PORTS_PER_SESSION;

/// What was written; `None` where nothing was, or something wrong.
pub struct Raw {
    pub relay: RawRelay,
    pub control: RawControl,
}

/// Certificate files as written.
pub struct RawTls {
    pub certificate: Option<Placed<String>>,
    pub key: Option<Placed<String>>,
    pub ca: Option<Placed<String>>,
}

impl RawTls {
    /// Reads the three keys of a section under their names there.
    pub fn read(
        section: &mut Section<'_>,
        report: &mut Report<'_>,
        [certificate, key, ca]: [&'static str; 3],
    ) -> RawTls {
        let mut path = |name| section.take(report, name, reader::parsed(fields::path));
        RawTls {
            certificate: path(certificate),
            key: path(key),
            ca: path(ca),
        }
    }

    /// Whether certificate and key are named.
    pub fn is_whole(&self) -> bool {
        self.certificate.is_some() && self.key.is_some()
    }

    /// The files, where certificate and key are named.
    pub fn files(&self, source: &Source) -> Option<Files> {
        let resolve = |path: &Placed<String>| source.resolve(&path.value);
        Some(Files {
            certificate: resolve(self.certificate.as_ref()?),
            key: resolve(self.key.as_ref()?),
            ca: self.ca.as_ref().map(resolve),
        })
    }
}

/// `[relay]` as written.
pub struct RawRelay {
    pub listen: Option<Placed<Vec<Placed<Listen>>>>,
    pub tls: RawTls,
    pub tls_name: Option<Placed<String>>,
    pub websocket_origins: Option<Placed<Vec<Placed<String>>>>,
    pub advertise: Option<Placed<Vec<Placed<IpAddr>>>>,
    pub control: Option<Placed<Vec<Placed<SocketAddr>>>>,
    pub api: Option<Placed<SocketAddr>>,
    pub threads: Option<Placed<usize>>,
    pub cpus: Option<Placed<Vec<Placed<usize>>>>,
    pub media_ports: Option<Placed<RangeInclusive<u16>>>,
    pub media_sockets: Option<Placed<MediaSockets>>,
    pub engine: Option<Placed<EngineKind>>,
    pub interfaces: Option<Placed<Vec<Placed<String>>>>,
    pub pin_directory: Option<Placed<String>>,
    pub media_dscp: Option<Placed<Option<usize>>>,
    pub max_sessions: Option<Placed<usize>>,
    pub media_timeout: Option<Placed<usize>>,
    pub hold_timeout: Option<Placed<usize>>,
    pub session_expires: Option<Placed<usize>>,
    pub max_calls_per_s: Option<Placed<CallLimit>>,
    pub failover_after: Option<Placed<usize>>,
    pub large_over_tcp: Option<Placed<bool>>,
    pub dns: Option<Placed<Vec<Placed<SocketAddr>>>>,
    pub deny_methods: Option<Placed<Vec<Placed<Method>>>>,
    pub trace_ring: Option<Placed<usize>>,
    pub sounds: Option<Placed<String>>,
    pub hand_over: Option<Placed<bool>>,
}

/// `[control]` as written.
pub struct RawControl {
    pub sip: Option<Placed<SocketAddr>>,
    pub api: Option<Placed<SocketAddr>>,
    pub relays: Option<Placed<Vec<Placed<String>>>>,
    pub realm: Option<Placed<String>>,
    pub digest: Option<Placed<Vec<Placed<Algorithm>>>>,
    pub trusted: Option<Placed<Vec<Placed<Network>>>>,
    pub screen_pop_url: Option<Placed<String>>,
    pub transfer: Option<Placed<Carrier>>,
    pub register_min: Option<Placed<usize>>,
    pub register_max: Option<Placed<usize>>,
    pub allowed_relays: Option<Placed<Vec<Placed<IpAddr>>>>,
    pub token_rate: Option<Placed<usize>>,
    pub audit_kept: Option<Placed<usize>>,
}

impl RawRelay {
    /// Reads `[relay]` and reports its unknown keys.
    pub fn read(top: &mut Section<'_>, report: &mut Report<'_>) -> RawRelay {
        use reader::{list, number, number_or, parsed};
        let mut section = top.section(report, "relay");
        section.former(report, "devices", |_| "write interfaces");
        let addresses = list(parsed(fields::socket_address));
        let read = RawRelay {
            listen: section.take(report, "listen", list(parsed(fields::listen))),
            tls: RawTls::read(
                &mut section,
                report,
                ["tls_certificate", "tls_key", "tls_ca"],
            ),
            tls_name: section.take(report, "tls_name", parsed(fields::host_name)),
            websocket_origins: section.take(
                report,
                "websocket_origins",
                list(parsed(fields::origin)),
            ),
            advertise: section.take(
                report,
                "advertise",
                list(parsed(fields::advertised_address)),
            ),
            control: section.take(report, "control", addresses),
            api: section.take(report, "api", parsed(fields::socket_address)),
            threads: section.take(report, "threads", number(1..=MAX_THREADS)),
            cpus: section.take(report, "cpus", list(number(0..=MAX_CPU))),
            media_ports: section.take(report, "media_ports", parsed(fields::port_range)),
            media_sockets: section.take(report, "media_sockets", parsed(fields::media_sockets)),
            engine: section.take(report, "engine", parsed(fields::engine)),
            interfaces: section.take(report, "interfaces", list(parsed(fields::interface))),
            pin_directory: section.take(report, "pin_directory", parsed(fields::path)),
            media_dscp: section.take(report, "media_dscp", number_or("keep", 0..=HIGHEST_DSCP)),
            max_sessions: section.take(report, "max_sessions", number(1..=HIGHEST_MAX_SESSIONS)),
            media_timeout: section.take(report, "media_timeout", number(SILENCE_S)),
            hold_timeout: section.take(report, "hold_timeout", number(SILENCE_S)),
            session_expires: section.take(report, "session_expires", number(SESSION_EXPIRES_S)),
            max_calls_per_s: section.take(report, "max_calls_per_s", call_limit),
            failover_after: section.take(report, "failover_after", number(FAILOVER_S)),
            large_over_tcp: section.take(report, "large_over_tcp", reader::truth),
            dns: section.take(report, "dns", list(parsed(fields::name_server))),
            deny_methods: section.take(
                report,
                "deny_methods",
                list(parsed(fields::deniable_method)),
            ),
            trace_ring: section.take(report, "trace_ring", parsed(fields::ring_bytes)),
            sounds: section.take(report, "sounds", parsed(fields::path)),
            hand_over: section.take(report, "hand_over", reader::truth),
        };
        section.finish(report);
        read
    }

    /// Fills in the defaults. Without `control` the relay dials the control node of the same file.
    pub fn finish(&self, control_sip: SocketAddr, source: &Source) -> Relay {
        let cpus = values(&self.cpus).unwrap_or_default();
        Relay {
            listen: values(&self.listen).unwrap_or_else(default_listen),
            tls: self.tls.files(source),
            tls_name: value(&self.tls_name),
            websocket_origins: values(&self.websocket_origins).unwrap_or_default(),
            advertise: values(&self.advertise).unwrap_or_default(),
            control: values(&self.control).unwrap_or_else(|| vec![reachable(control_sip)]),
            api: value(&self.api).unwrap_or(RELAY_API),
            threads: value(&self.threads).unwrap_or(cpus.len().max(1)),
            cpus,
            media_ports: value(&self.media_ports).unwrap_or(MEDIA_PORTS),
            media_sockets: value(&self.media_sockets).unwrap_or_default(),
            engine: value(&self.engine).unwrap_or_default(),
            interfaces: values(&self.interfaces).unwrap_or_default(),
            pin_directory: value(&self.pin_directory)
                .unwrap_or_else(|| PIN_DIRECTORY.to_owned())
                .into(),
            media_dscp: match value(&self.media_dscp) {
                Some(None) => None,
                // Within the range by then.
                Some(Some(dscp)) => u8::try_from(dscp).ok(),
                None => Some(EXPEDITED),
            },
            max_sessions: value(&self.max_sessions).unwrap_or(MAX_SESSIONS),
            media_timeout: seconds(&self.media_timeout).unwrap_or(MEDIA_TIMEOUT),
            hold_timeout: seconds(&self.hold_timeout).unwrap_or(HOLD_TIMEOUT),
            session_expires: seconds(&self.session_expires).unwrap_or(SESSION_EXPIRES),
            max_calls: value(&self.max_calls_per_s).unwrap_or_default(),
            failover_after: seconds(&self.failover_after).unwrap_or(FAILOVER_AFTER),
            large_over_tcp: value(&self.large_over_tcp).unwrap_or(true),
            dns: values(&self.dns).unwrap_or_default(),
            deny_methods: values(&self.deny_methods).unwrap_or_default(),
            trace_ring: value(&self.trace_ring).unwrap_or(TRACE_RING),
            sounds: value(&self.sounds).map(PathBuf::from),
            hand_over: value(&self.hand_over).unwrap_or(false),
        }
    }
}

impl RawControl {
    /// Reads `[control]` and reports its unknown keys.
    pub fn read(top: &mut Section<'_>, report: &mut Report<'_>) -> RawControl {
        use reader::{list, number, parsed};
        let mut section = top.section(report, "control");
        section.former(report, "legacy_md5", |value| match value.as_bool() {
            Some(false) => "write digest = [\"sha-256\"]",
            _ => "write digest = [\"sha-256\", \"md5\"]",
        });
        let addresses = list(parsed(fields::ip_address));
        let read = RawControl {
            sip: section.take(report, "sip", parsed(fields::socket_address)),
            api: section.take(report, "api", parsed(fields::socket_address)),
            relays: section.take(report, "relays", list(parsed(fields::base_url))),
            realm: section.take(report, "realm", parsed(fields::realm)),
            digest: section.take(report, "digest", list(parsed(fields::digest))),
            trusted: section.take(report, "trusted", list(parsed(fields::network))),
            screen_pop_url: section.take(report, "screen_pop_url", parsed(fields::template)),
            transfer: section.take(report, "transfer", parsed(fields::carrier)),
            register_min: section.take(report, "register_min", number(REGISTER_S)),
            register_max: section.take(report, "register_max", number(REGISTER_S)),
            allowed_relays: section.take(report, "allowed_relays", addresses),
            token_rate: section.take(report, "token_rate", number(TOKEN_RATE)),
            audit_kept: section.take(report, "audit_kept", number(AUDIT_KEPT)),
        };
        section.finish(report);
        read
    }

    /// Fills in the defaults. Without `relays` control asks the relay of the same file, as the link
    /// is `secured` or not.
    pub fn finish(&self, relay_api: SocketAddr, secured: bool) -> Control {
        let scheme = if secured { "https" } else { "http" };
        let loopback = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Control {
            sip: value(&self.sip).unwrap_or(CONTROL_SIP),
            api: value(&self.api).unwrap_or(CONTROL_API),
            relays: values(&self.relays)
                .unwrap_or_else(|| vec![format!("{scheme}://{}", reachable(relay_api))]),
            realm: value(&self.realm).unwrap_or_else(|| "patchbay".to_owned()),
            digest: values(&self.digest).unwrap_or_else(|| vec![Algorithm::Sha256, Algorithm::Md5]),
            trusted: values(&self.trusted).unwrap_or_default(),
            screen_pop_url: value(&self.screen_pop_url),
            transfer: value(&self.transfer).unwrap_or_default(),
            register_min: seconds(&self.register_min).unwrap_or(Duration::from_secs(MIN_EXPIRES_S)),
            register_max: seconds(&self.register_max).unwrap_or(Duration::from_secs(MAX_EXPIRES_S)),
            allowed_relays: values(&self.allowed_relays).unwrap_or_else(loopback),
            settings: self.settings(),
        }
    }
}

impl RawControl {
    fn settings(&self) -> Settings {
        let usual = Settings::default();
        // Within their ranges by then.
        let rate = value(&self.token_rate).and_then(|rate| u32::try_from(rate).ok());
        let kept = value(&self.audit_kept).and_then(|kept| u64::try_from(kept).ok());
        Settings {
            token_rate: rate.unwrap_or(usual.token_rate),
            audit_kept: kept.unwrap_or(usual.audit_kept),
        }
    }
}

/// New calls a second: a number, `"auto"` or `"off"`.
fn call_limit(value: &Value<'_>) -> Result<CallLimit, Vec<Fault>> {
    match value.get_ref().as_str() {
        Some("off") => Ok(CallLimit::Off),
        _ => {
            let rate = reader::number_or("auto", CALLS_PER_S)(value)?;
            // Within the range by then.
            let rate = rate.and_then(|rate| u32::try_from(rate).ok());
            Ok(rate.map_or(CallLimit::Auto, CallLimit::Rate))
        }
    }
}

fn value<T: Clone>(placed: &Option<Placed<T>>) -> Option<T> {
    placed.as_ref().map(|placed| placed.value.clone())
}

fn seconds(placed: &Option<Placed<usize>>) -> Option<Duration> {
    value(placed).map(|seconds| Duration::from_secs(seconds as u64))
}

fn values<T: Clone>(placed: &Option<Placed<Vec<Placed<T>>>>) -> Option<Vec<T>> {
    let list = placed.as_ref()?;
    Some(list.value.iter().map(|item| item.value.clone()).collect())
}

/// Where a listener of this host is dialled from the same host.
/// Where a listener of this host is reached from this host.
pub fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn default_listen() -> Vec<Listen> {
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.into_iter()
        .flat_map(|ip| {
            [ListenTransport::Udp, ListenTransport::Tcp].map(|transport| Listen {
                transport,
                address: SocketAddr::new(ip, SIP_PORT),
            })
        })
        .collect()
}
