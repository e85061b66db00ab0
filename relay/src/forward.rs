//! The verdict on a datagram: a pure function of its row, its source, its length and the time.
//!
//! Source learning is strict. A flow (one socket of one side) is locked once, to the address
//! that the side's SDP gave, or, within a window after the SDP came, to another port or address
//! of the same party: one whose IP is the SDP's or the one that the signalling came from. From
//! then on no other source is listened to, until new SDP moves the side. Who may not be the
//! party can neither insert packets nor draw packets to himself: packets are sent to the
//! signalled address, or to the learned source.
//!
//! RTCP of a side that multiplexes (RFC 5761) arrives on its RTP socket. If the other side
//! multiplexes too, it passes through there; if not, it is told apart by its packet type and
//! leaves by the other side's RTCP socket. RTCP for a side that multiplexes leaves by that
//! side's RTP socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use patchbay_route::flow::{Component, FLOWS, Flow, Side};
use patchbay_route::limits::{MAX_DATAGRAM_BYTES, MAX_LEARN_WINDOW_SECONDS};
use patchbay_route::pair::Remote;
use patchbay_route::verdict::{Decision, DropReason, Verdict};

/// A datagram, as far as the verdict depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// Length of its payload in bytes.
    pub len: usize,
    /// Whether the kernel had to cut it to fit the buffer.
    pub truncated: bool,
    /// Its second byte, where RTP has marker and payload type, and RTCP its packet type.
    pub second_byte: Option<u8>,
}

/// Where the packets for one socket's peer go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Destination {
    /// Not signalled yet.
    #[default]
    Unknown,
    /// Nowhere: the party asked for nothing.
    Held,
    /// To this address.
    At(SocketAddr),
}

/// What is known of the peer of one socket.
#[derive(Clone, Copy, Debug, Default)]
struct Endpoint {
    signalled: Destination,
    learned: Option<SocketAddr>,
}

/// What is known of one party.
#[derive(Clone, Copy, Debug, Default)]
struct Party {
    signalled_from: Option<IpAddr>,
    learn_until: u64,
    multiplexed: bool,
}

/// The part of a row that decides. Times are nanoseconds of the engine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairState {
    endpoints: [Endpoint; FLOWS],
    parties: [Party; 2],
}

/// Which components of a side begin to learn anew, by [`Component::index`].
pub type Restarted = [bool; 2];

impl PairState {
    /// Takes in a side's SDP. A component whose address changed forgets what it learned; if the
    /// signalling now comes from another IP, both do. A component that has not learned yet gets
    /// a new window, in any case.
    pub fn set_remote(&mut self, side: Side, remote: &Remote, now: u64) -> Restarted {
        let party = &mut self.parties[side.index()];
        let moved = party.signalled_from != Some(remote.signalled_from);
        let window = remote
            .learn_window
            .min(Duration::from_secs(MAX_LEARN_WINDOW_SECONDS));
        party.signalled_from = Some(remote.signalled_from);
        party.learn_until =
            now.saturating_add(u64::try_from(window.as_nanos()).unwrap_or(u64::MAX));
        party.multiplexed = remote.is_multiplexed();
        let mut restarted = [false; 2];
        for component in Component::ALL {
            let endpoint = &mut self.endpoints[Flow::new(side, component).index()];
            let signalled = destination(match component {
                Component::Rtp => remote.rtp,
                Component::Rtcp => remote.rtcp,
            });
            if moved || endpoint.signalled != signalled {
                *endpoint = Endpoint {
                    signalled,
                    learned: None,
                };
                restarted[component.index()] = true;
            }
        }
        restarted
    }

    /// Locks a flow to a source, as a [`Decision`] asked for.
    pub fn learn(&mut self, flow: Flow, source: SocketAddr) {
        self.endpoints[flow.index()].learned = Some(source);
    }

    /// The source that a flow is locked to.
    #[must_use]
    pub fn learned(&self, flow: Flow) -> Option<SocketAddr> {
        self.endpoints[flow.index()].learned
    }

    /// Where packets leaving by that socket go: to the learned source if there is one, else to
    /// the signalled address.
    #[must_use]
    pub fn destination(&self, out: Flow) -> Destination {
        let endpoint = &self.endpoints[out.index()];
        match (endpoint.signalled, endpoint.learned) {
            (Destination::At(_), Some(source)) => Destination::At(source),
            (signalled, _) => signalled,
        }
    }

    /// Whether a source may speak on that flow, and whether this is what locks it.
    fn admit(&self, flow: Flow, source: SocketAddr, now: u64) -> Result<bool, DropReason> {
        let endpoint = &self.endpoints[flow.index()];
        if let Some(learned) = endpoint.learned {
            return if same_address(learned, source) {
                Ok(false)
            } else {
                Err(DropReason::SourceUnexpected)
            };
        }
        let expected = match endpoint.signalled {
            Destination::Unknown => return Err(DropReason::SourceUnsignalled),
            Destination::Held => None,
            Destination::At(address) => Some(address),
        };
        if expected.is_some_and(|address| same_address(address, source)) {
            return Ok(true);
        }
        let party = &self.parties[flow.side.index()];
        let is_party = expected.map(|address| address.ip()) == Some(source.ip())
            || party.signalled_from == Some(source.ip());
        if now < party.learn_until && is_party {
            Ok(true)
        } else {
            Err(DropReason::SourceUnexpected)
        }
    }

    /// By which socket a datagram leaves.
    fn way_out(&self, flow: Flow, second_byte: Option<u8>) -> Flow {
        let twin = flow.twin();
        let from = self.parties[flow.side.index()].multiplexed;
        let to = self.parties[twin.side.index()].multiplexed;
        match flow.component {
            Component::Rtcp if to => Flow::new(twin.side, Component::Rtp),
            Component::Rtp if from && !to && is_rtcp(second_byte) => {
                Flow::new(twin.side, Component::Rtcp)
            }
            Component::Rtp | Component::Rtcp => twin,
        }
    }
}

/// Decides what becomes of a datagram that arrived on `flow`.
#[must_use]
pub fn forward(pair: &PairState, flow: Flow, datagram: &Datagram, now: u64) -> Decision {
    let learn = match pair.admit(flow, datagram.source, now) {
        Ok(learn) => learn,
        Err(reason) => {
            return Decision {
                verdict: Verdict::Drop(reason),
                learn: false,
            };
        }
    };
    if datagram.truncated || datagram.len > MAX_DATAGRAM_BYTES {
        return Decision {
            verdict: Verdict::Drop(DropReason::Oversized),
            learn,
        };
    }
    let out = pair.way_out(flow, datagram.second_byte);
    let verdict = match pair.destination(out) {
        Destination::Unknown => Verdict::Drop(DropReason::RemoteUnknown),
        Destination::Held => Verdict::Drop(DropReason::RemoteHeld),
        Destination::At(_) => Verdict::Forward(out),
    };
    Decision { verdict, learn }
}

/// An address as signalled: the unspecified address or port 0 means "send nothing".
fn destination(address: SocketAddr) -> Destination {
    if address.ip().is_unspecified() || address.port() == 0 {
        Destination::Held
    } else {
        Destination::At(address)
    }
}

/// IP and port are the same; an IPv6 scope, which SDP cannot carry, does not count.
fn same_address(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip() == b.ip()
}

/// Packet types 192 to 223 are RTCP's where both share a port (RFC 5761 section 4).
fn is_rtcp(second_byte: Option<u8>) -> bool {
    matches!(second_byte, Some(192..=223))
}

#[cfg(test)]
mod tests;
