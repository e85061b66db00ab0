//! Where a SIP URI leads: RFC 3263 without I/O.
//!
//! [`Search`] says what to ask of DNS, is given the answers, and ends with the places that a request
//! may be sent to, the best first. What is given up on the way is in [`Places`]: a request that fails
//! at one place goes to the next in a transaction of its own (RFC 3263 section 4.3), and a place that
//! failed comes last for a while.
//!
//! `maddr` is not followed, as in Via: it would let a stranger aim our requests at a host that it does
//! not name.

mod avoided;
mod order;
mod search;

pub use avoided::{AVOID_TIME, MAX_AVOID_TIME, MAX_AVOIDED, MAX_LOOKUPS, Places};
pub use order::{Dice, by_weight};
pub use search::{MAX_CANDIDATES, MAX_SERVICES, MAX_TARGETS, Search, Step};

use crate::engine::Side;
use crate::session::{SessionId, transport_of};
use patchbay_sip::{Scheme, Transport, Uri};
use std::net::{IpAddr, SocketAddr};

/// What a URI says of where its requests go (RFC 3263 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The host's or domain's name; TLS has to prove it (RFC 5922 section 4).
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// The transport, where one is written.
    pub transport: Option<Transport>,
    /// `sips`: TLS and nothing else.
    pub secure: bool,
}

impl Wanted {
    /// What a URI wants that names its host; none for other schemes and unknown transports.
    pub fn of(uri: &Uri) -> Option<Wanted> {
        let asked = transport_of(uri)?;
        let written = uri.params.contains("transport");
        let host = uri.host.to_string();
        Some(Wanted {
            host: host.trim_end_matches('.').to_ascii_lowercase(),
            port: uri.port,
            transport: written.then_some(asked),
            secure: uri.scheme == Scheme::Sips,
        })
    }

    /// The transport without a word of DNS on it (RFC 3263 section 4.1).
    fn usual(&self) -> Transport {
        match (self.transport, self.secure) {
            (Some(transport), _) => transport,
            (None, true) => Transport::Tls,
            (None, false) => Transport::Udp,
        }
    }
}

/// One place that a request can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// By this transport.
    pub transport: Transport,
    /// To this address.
    pub address: SocketAddr,
}

/// Transports that this host opens flows by, each with the IP version: true for IPv4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken(pub Vec<(Transport, bool)>);

impl Spoken {
    fn speaks(&self, transport: Transport) -> bool {
        self.0.iter().any(|(spoken, _)| *spoken == transport)
    }

    fn reaches(&self, transport: Transport, ip: IpAddr) -> bool {
        self.0.contains(&(transport, ip.is_ipv4()))
    }
}

/// One question to DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// NAPTR of a domain (RFC 3403).
    Naptr(String),
    /// SRV of a service (RFC 2782).
    Srv(String),
    /// IPv4 addresses of a host.
    A(String),
    /// IPv6 addresses of a host.
    Aaaa(String),
}

/// What DNS says to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::A`] and [`Question::Aaaa`].
    Addresses(Vec<IpAddr>),
    /// There is nothing, or no server answered.
    Nothing,
}

/// A NAPTR record (RFC 3403 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first; others than the first that fits are not looked at.
    pub order: u16,
    /// Within an order, lower ones first.
    pub preference: u16,
    /// `s`: the replacement is the name of an SRV record.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
    pub service: String,
    /// The name to ask for next.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// The share among those of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that there is no such service.
    pub target: String,
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeker {
    /// The INVITE to the agent waits for it.
    Offer,
    /// Further requests to this side of the call.
    Leg(Side),
}

/// A look-up for a session.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// Whose it is.
    pub session: SessionId,
    /// What for.
    pub seeker: Seeker,
    /// What is looked up.
    pub wanted: Wanted,
    /// What this host speaks.
    pub spoken: Spoken,
    /// Where chance comes from.
    pub seed: u64,
}

#[cfg(test)]
mod tests;
