//! [`Flow`]: where messages come from and go to.

use std::net::SocketAddr;

use rsip::Transport;

use crate::address::Written;
use crate::message::Message;
use crate::text::Text;
use crate::uri::Host;
use crate::via::Via;

/// A UDP peer or a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// Their address.
    pub remote: SocketAddr,
    /// The connection's number; 0 for UDP.
    pub connection: u64,
}

impl Flow {
    /// True where the transport retransmits by itself.
    pub fn is_reliable(&self) -> bool {
        self.transport != Transport::Udp
    }
}

/// The flow on which a response leaves whose top Via is `via`, to a request received on `flow` (RFC
/// 3261 section 18.2.2, RFC 3581 section 4).
///
/// A connection answers on itself. Over UDP the answer goes to the address that the packet came from:
/// to its port too where the sender asked with `rport`, otherwise to the port written in Via. `maddr`
/// is not followed: it would let a sender aim our answers at others.
pub fn response_flow(via: &Via, flow: Flow) -> Flow {
    if flow.is_reliable() || via.rport().is_some() {
        return flow;
    }
    let mut flow = flow;
    flow.remote.set_port(via.port.unwrap_or(5060));
    flow
}

/// Completes the top Via of a received request (RFC 3261 section 18.2.1, RFC 3581 section 4): `received`
/// is the true source address wherever it is asked for, needed or claimed, `rport` the true port.
pub(crate) fn complete_via(request: &mut Message, mut via: Via, flow: &Flow) -> Via {
    let asked = via.rport().is_some();
    let claimed = via.params.contains("received");
    let source = flow.remote.ip().to_canonical();
    let differs = via.host.ip().map(|ip| ip.to_canonical()) != Some(source);
    if !(asked || claimed || differs) {
        return via;
    }
    // IPv6 without brackets, as RFC 5118 section 4.5 recommends.
    via.params
        .set_value("received", Written(source).to_string());
    if asked {
        via.params
            .set_value("rport", flow.remote.port().to_string());
    }
    request
        .headers
        .set_first(crate::name::HeaderName::Via, via.clone());
    via
}

/// The word for `transport` in Via.
pub(crate) fn via_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::Sctp => "SCTP",
        Transport::TlsSctp => "TLS-SCTP",
        Transport::Ws => "WS",
        Transport::Wss => "WSS",
    }
}

/// Makes our Via. `sent_by` is `host` or `host:port`; where it is neither, the flow's own address
/// stands in.
pub(crate) fn own_via(flow: &Flow, sent_by: &str, branch: &str) -> Text {
    let own;
    let sent_by = match Host::parse_with_port(sent_by) {
        Ok(_) => sent_by,
        Err(_) => {
            own = flow.local.to_string();
            &own
        }
    };
    let rport = if flow.is_reliable() { "" } else { ";rport" };
    let parts = [
        "SIP/2.0/",
        via_word(flow.transport),
        " ",
        sent_by,
        ";branch=",
        branch,
        rport,
    ];
    Text::joined(&parts)
}
