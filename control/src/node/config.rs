//! How a control node is set up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use patchbay_core::Network;
use patchbay_route::transfer::Carrier;
use patchbay_sip::digest::Algorithm;
use patchbay_tls::Endpoint;

use crate::link::{NearEvents, Secret};
use crate::registrar::Expiry;

/// Everything that a node needs to know. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// The private SIP listener that relays connect to; port 0 takes a free one.
    pub sip_listen: SocketAddr,
    /// Base URLs of the relays' private APIs, such as `http://127.0.0.1:8090`.
    pub relay_urls: Vec<String>,
    /// The one of these relays that runs in this process, and where its events are read.
    pub near: Option<(String, NearEvents)>,
    /// The secret shared with the relays: signs transfers, opens their APIs.
    pub link_secret: Secret,
    /// What control and relays show each other, on both ways; none: the link is plain.
    pub link_tls: Option<Arc<Endpoint>>,
    /// How transfers travel to the relays.
    pub transfer: Carrier,
    /// The realm that agents' phones register in.
    pub realm: String,
    /// The digests that phones are challenged with, the preferred first, unless their agent's
    /// declaration says otherwise; users who do not exist are challenged with these as well. At
    /// least one, none twice. Default: SHA-256, then MD5 for phones that know nothing better (RFC
    /// 8760 section 2.4).
    pub digest: Vec<Algorithm>,
    /// How long phones may register for.
    pub expiry: Expiry,
    /// Networks whose word on who calls is believed: P-Asserted-Identity, Diversion and History-Info
    /// of others are taken away (RFC 3325).
    pub trusted: Vec<Network>,
    /// The URL that agents' phones get in Call-Info; `{contact}`, `{from}` and `{to}` are filled in.
    pub screen_pop_url: Option<String>,
    /// Addresses from which relays may connect; everybody else is cut off and counted.
    pub allowed_relays: Vec<IpAddr>,
    /// Whole limit for one SIP connection's silence; `None` for none. Relays keep connections
    /// alive with CRLF (RFC 5626 section 3.5.1), so silence means that the host is gone.
    pub idle_limit: Option<Duration>,
}

impl ControlConfig {
    /// Defaults for a relay on this host.
    #[must_use]
    pub fn new(link_secret: Secret) -> ControlConfig {
        ControlConfig {
            sip_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5070)),
            relay_urls: vec!["http://127.0.0.1:8090".to_owned()],
            near: None,
            link_secret,
            link_tls: None,
            transfer: Carrier::default(),
            realm: "patchbay".to_owned(),
            digest: vec![Algorithm::Sha256, Algorithm::Md5],
            expiry: Expiry::default(),
            trusted: Vec::new(),
            screen_pop_url: None,
            allowed_relays: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            idle_limit: None,
        }
    }
}
