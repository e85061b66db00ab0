//! The verdict on a datagram: a pure function of its row, its source, its length and the time.
//!
//! Source learning is strict. A flow (one socket of one side) is locked once, to the address
//! that the side's SDP gave, or, within a window after the SDP came, to another port or address
//! of the same party: one whose IP is the SDP's or the one that the signalling came from. From
//! then on no other source is listened to, until new SDP moves the side. Who may not be the
//! party can neither insert packets nor draw packets to himself: packets are sent to the
//! learned source, or, before there is one, to the signalled address. A side whose SDP says that
//! it receives elsewhere than it sends from is sent to the signalled address all the same.
//!
//! When SDP moves a side, packets that it sent before are still under way, and another phone
//! that the call left behind (a fork) may go on sending. So where the side was before, as
//! signalled and as learned, is not learned again for the time of [`SETTLING`], unless it is the
//! very address that the new SDP names. SDP that changes nothing leaves the lock as it is, but
//! for a side that has been silent for [`LOST_AFTER`]: its network address translator may have
//! given it another port.
//!
//! RTCP of a side that multiplexes (RFC 5761) arrives on its RTP socket. If the other side
//! multiplexes too, it passes through there; if not, it is told apart by its packet type and
//! leaves by the other side's RTCP socket. RTCP for a side that multiplexes leaves by that
//! side's RTP socket.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use patchbay_route::flow::{Component, FLOWS, Flow, Side};
use patchbay_route::limits::{MAX_DATAGRAM_BYTES, MAX_LEARN_WINDOW_SECONDS};
use patchbay_route::pair::{Profile, Remote};
use patchbay_route::reception::MAX_CLOCK_HZ;
use patchbay_route::verdict::{Decision, DropReason, Verdict};

use crate::strangers::Strangers;

/// A locked flow that has been silent for this long is learned anew when its side signals again.
pub const LOST_AFTER: Duration = Duration::from_secs(5);

/// For how long after a side moved nobody is learned where it was before.
pub const SETTLING: Duration = Duration::from_secs(2);

/// Bytes of a STUN header (RFC 8489 section 5): nothing shorter is STUN.
const STUN_HEADER_BYTES: usize = 20;

/// Bytes of the header of a DTLS record in plain text (RFC 9147 section 4): what is shorter is
/// taken for a keep-alive.
const DTLS_HEADER_BYTES: usize = 13;

/// A datagram, as far as the verdict depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// Length of its payload in bytes.
    pub len: usize,
    /// Whether the kernel had to cut it to fit the buffer.
    pub truncated: bool,
    /// Its first byte, which tells RTP from STUN and DTLS (RFC 7983).
    pub first_byte: Option<u8>,
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

/// Where the peer of one socket was before its side moved.
#[derive(Clone, Copy, Debug, Default)]
struct Former {
    signalled: Destination,
    learned: Option<SocketAddr>,
    /// Until when nobody is learned there.
    until: u64,
}

/// What is known of one party.
#[derive(Clone, Copy, Debug)]
struct Party {
    signalled_from: Option<IpAddr>,
    learn_until: u64,
    multiplexed: bool,
    profile: Profile,
    receives: bool,
    symmetric: bool,
    clock_hz: u32,
}

impl Default for Party {
    fn default() -> Party {
        Party {
            signalled_from: None,
            learn_until: 0,
            multiplexed: false,
            profile: Profile::Plain,
            receives: true,
            symmetric: true,
            clock_hz: 0,
        }
    }
}

/// What a source is to the flow that it sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The source that the flow is locked to.
    Learned,
    /// The signalled address, of a flow that is not locked yet.
    Signalled,
    /// Any other.
    Stranger,
}

/// The part of a row that decides. Times are nanoseconds of the engine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairState {
    endpoints: [Endpoint; FLOWS],
    parties: [Party; 2],
    /// Read only as long as a flow is not locked.
    former: [Former; FLOWS],
}

/// Which components of a side begin to learn anew, by [`Component::index`].
pub type Restarted = [bool; 2];

impl PairState {
    /// Takes in a side's SDP. A component whose address changed forgets what it learned; if the
    /// signalling now comes from another IP, or the side is no longer as symmetric, both do. A component that has not learned yet gets
    /// a new window, in any case.
    ///
    /// `heard` says when each component, by [`Component::index`], last had a packet accepted.
    pub fn set_remote(
        &mut self,
        side: Side,
        remote: &Remote,
        now: u64,
        heard: [u64; 2],
    ) -> Restarted {
        let party = &mut self.parties[side.index()];
        let moved = party.signalled_from != Some(remote.signalled_from)
            || party.symmetric != remote.symmetric;
        let window = remote
            .learn_window
            .min(Duration::from_secs(MAX_LEARN_WINDOW_SECONDS));
        *party = Party {
            signalled_from: Some(remote.signalled_from),
            learn_until: now.saturating_add(nanos(window)),
            multiplexed: remote.is_multiplexed(),
            profile: remote.profile,
            receives: remote.receives,
            symmetric: remote.symmetric,
            clock_hz: remote.clock_hz.min(MAX_CLOCK_HZ),
        };
        let mut restarted = [false; 2];
        for component in Component::ALL {
            let flow = Flow::new(side, component).index();
            let signalled = destination(match component {
                Component::Rtp => remote.rtp,
                Component::Rtcp => remote.rtcp,
            });
            let endpoint = self.endpoints[flow];
            let silent = now.saturating_sub(heard[component.index()]) > nanos(LOST_AFTER);
            let lost = endpoint.learned.is_some() && silent;
            if !moved && !lost && endpoint.signalled == signalled {
                continue;
            }
            self.former[flow] = self.former[flow].left(endpoint, signalled, now);
            self.endpoints[flow] = Endpoint {
                signalled,
                learned: None,
            };
            restarted[component.index()] = true;
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

    /// Where packets leaving by that socket go: to the learned source if there is one and the
    /// side is symmetric, else to the signalled address.
    #[must_use]
    pub fn destination(&self, out: Flow) -> Destination {
        let endpoint = &self.endpoints[out.index()];
        let symmetric = self.parties[out.side.index()].symmetric;
        match (endpoint.signalled, endpoint.learned) {
            (Destination::At(_), Some(source)) if symmetric => Destination::At(source),
            (signalled, _) => signalled,
        }
    }

    /// Whether a side receives where it sends from, so that its sockets may be connected to the
    /// learned source.
    #[must_use]
    pub fn is_symmetric(&self, side: Side) -> bool {
        self.parties[side.index()].symmetric
    }

    /// Whether a side's SDP asks for encryption.
    #[must_use]
    pub fn profile(&self, side: Side) -> Profile {
        self.parties[side.index()].profile
    }

    /// Clock of a flow's RTP timestamps in Hz; 0 if it is not known, or the flow is RTCP.
    #[must_use]
    pub fn clock_hz(&self, flow: Flow) -> u32 {
        match flow.component {
            Component::Rtp => self.parties[flow.side.index()].clock_hz,
            Component::Rtcp => 0,
        }
    }

    /// Whether a source is the one that a flow is locked to, or would be by this decision.
    #[must_use]
    pub fn is_source(&self, flow: Flow, source: SocketAddr, decision: &Decision) -> bool {
        decision.learn || self.standing(flow, source) == Standing::Learned
    }

    /// What a source is to a flow.
    fn standing(&self, flow: Flow, source: SocketAddr) -> Standing {
        let endpoint = &self.endpoints[flow.index()];
        match (endpoint.learned, endpoint.signalled) {
            (Some(learned), _) if same_address(learned, source) => Standing::Learned,
            (None, Destination::At(address)) if same_address(address, source) => {
                Standing::Signalled
            }
            _ => Standing::Stranger,
        }
    }

    /// Whether a stranger may become the one that a flow is locked to.
    fn admit(&self, flow: Flow, source: SocketAddr, now: u64) -> Result<(), DropReason> {
        let endpoint = &self.endpoints[flow.index()];
        let party = &self.parties[flow.side.index()];
        let (signalled_ip, has_left) = match endpoint.signalled {
            Destination::Unknown => return Err(DropReason::SourceUnsignalled),
            Destination::Held => (None, false),
            Destination::At(address) => {
                let former = &self.former[flow.index()];
                (Some(address.ip()), former.was(source, now))
            }
        };
        let is_party =
            signalled_ip == Some(source.ip()) || party.signalled_from == Some(source.ip());
        let open = endpoint.learned.is_none() && now < party.learn_until;
        if open && is_party && !has_left {
            Ok(())
        } else {
            Err(DropReason::SourceUnexpected)
        }
    }

    /// Whether the side behind that socket wants none of this: it takes reports, but no media.
    fn is_unwanted(&self, flow: Flow, out: Flow, second_byte: Option<u8>) -> bool {
        if self.parties[out.side.index()].receives {
            return false;
        }
        let multiplexed = self.parties[flow.side.index()].multiplexed;
        flow.component == Component::Rtp && !(multiplexed && is_rtcp(second_byte))
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

impl Former {
    /// The same after a side left an endpoint for `signalled`. A hold is not somewhere else: who
    /// comes back from it to where he was is welcome.
    fn left(self, endpoint: Endpoint, signalled: Destination, now: u64) -> Former {
        let until = now.saturating_add(nanos(SETTLING));
        match endpoint.signalled {
            Destination::At(_) if endpoint.signalled != signalled => Former {
                signalled: endpoint.signalled,
                learned: endpoint.learned,
                until,
            },
            Destination::Held if self.signalled != signalled => Former {
                signalled: self.signalled,
                learned: endpoint.learned.or(self.learned),
                until,
            },
            _ => Former::default(),
        }
    }

    /// Whether the side was there a moment ago.
    fn was(&self, source: SocketAddr, now: u64) -> bool {
        let is = |address: SocketAddr| same_address(address, source);
        now < self.until
            && (matches!(self.signalled, Destination::At(address) if is(address))
                || self.learned.is_some_and(is))
    }
}

/// Decides what becomes of a datagram that arrived on `flow`. What strangers send is considered
/// as far as `strangers` has tokens for them; nobody else pays for it.
#[must_use]
pub fn forward(
    pair: &PairState,
    flow: Flow,
    datagram: &Datagram,
    now: u64,
    strangers: &mut Strangers,
) -> Decision {
    let drop = |reason| Decision {
        verdict: Verdict::Drop(reason),
        learn: false,
    };
    let standing = pair.standing(flow, datagram.source);
    if standing == Standing::Stranger && !strangers.admit(datagram.source.ip(), now) {
        return drop(DropReason::SourceRateLimited);
    }
    if pair.parties[flow.side.index()].profile == Profile::Plain
        && let Some(reason) = foreign(datagram)
    {
        return drop(reason);
    }
    if standing == Standing::Stranger
        && let Err(reason) = pair.admit(flow, datagram.source, now)
    {
        return drop(reason);
    }
    Decision {
        verdict: onward(pair, flow, datagram),
        learn: standing != Standing::Learned,
    }
}

/// What becomes of a datagram from the right source.
fn onward(pair: &PairState, flow: Flow, datagram: &Datagram) -> Verdict {
    if datagram.truncated || datagram.len > MAX_DATAGRAM_BYTES {
        return Verdict::Drop(DropReason::Oversized);
    }
    let out = pair.way_out(flow, datagram.second_byte);
    match pair.destination(out) {
        Destination::Unknown => Verdict::Drop(DropReason::RemoteUnknown),
        Destination::Held => Verdict::Drop(DropReason::RemoteHeld),
        Destination::At(_) if pair.is_unwanted(flow, out, datagram.second_byte) => {
            Verdict::Drop(DropReason::RemoteHeld)
        }
        Destination::At(_) => Verdict::Forward(out),
    }
}

/// What is neither RTP nor RTCP nor a keep-alive, by the first byte (RFC 7983 section 7). A
/// keep-alive (RFC 6263) is empty, or RTP, or a few bytes of anything: too short for a header.
fn foreign(datagram: &Datagram) -> Option<DropReason> {
    match datagram.first_byte {
        Some(0..=3) if datagram.len >= STUN_HEADER_BYTES => Some(DropReason::StunOnPlain),
        Some(20..=63) if datagram.len >= DTLS_HEADER_BYTES => Some(DropReason::DtlsOnPlain),
        _ => None,
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
#[inline]
pub(crate) fn same_address(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip() == b.ip()
}

/// Packet types 192 to 223 are RTCP's where both share a port (RFC 5761 section 4).
fn is_rtcp(second_byte: Option<u8>) -> bool {
    matches!(second_byte, Some(192..=223))
}

mod settled;
pub use settled::Settled;

#[cfg(test)]
mod tests;
