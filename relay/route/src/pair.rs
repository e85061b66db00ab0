//! One row of the routing table: two sides, each with the address we receive on and the address
//! we send to.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Identifies an open pair within one packet engine. Never used twice while the engine lives.
///
/// From the top: 8 bits thread, 32 bits generation, 24 bits row. Only the engine reads it so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PairId(u64);

impl PairId {
    /// Highest number of packet threads that an identifier can name.
    pub const MAX_THREADS: usize = 1 << 8;
    /// Highest number of rows of one thread that an identifier can name.
    pub const MAX_ROWS: usize = 1 << 24;

    /// Packs the parts. `row` is below [`PairId::MAX_ROWS`]; higher bits are cut off.
    #[must_use]
    pub const fn new(thread: u8, generation: u32, row: u32) -> PairId {
        PairId((thread as u64) << 56 | (generation as u64) << 24 | (row & 0x00ff_ffff) as u64)
    }

    /// The packet thread that owns the pair.
    #[must_use]
    pub const fn thread(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// How often the row had been used before.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> 24) as u32
    }

    /// The row in the thread's table.
    #[must_use]
    pub const fn row(self) -> u32 {
        (self.0 & 0x00ff_ffff) as u32
    }
}

impl fmt::Display for PairId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.thread(), self.row(), self.generation())
    }
}

impl fmt::Debug for PairId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairId({self})")
    }
}

/// What a pair to be opened needs of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideSpec {
    /// The address of this host that the side sends to. The two sides may differ in IP version.
    pub local_ip: IpAddr,
}

/// A pair to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSpec {
    /// By [`crate::flow::Side::index`]: 0 the client, 1 the agent.
    pub sides: [SideSpec; 2],
}

impl PairSpec {
    /// A pair whose client side listens on `client` and whose agent side on `agent`.
    #[must_use]
    pub const fn new(client: IpAddr, agent: IpAddr) -> PairSpec {
        PairSpec {
            sides: [SideSpec { local_ip: client }, SideSpec { local_ip: agent }],
        }
    }
}

/// Where one side of an open pair is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddrs {
    /// Even port.
    pub rtp: SocketAddr,
    /// The odd port above it (RFC 3550 section 11).
    pub rtcp: SocketAddr,
}

/// An open pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPair {
    /// Its name in all later calls.
    pub id: PairId,
    /// By [`crate::flow::Side::index`]: what to write into the SDP of each side.
    pub local: [LocalAddrs; 2],
}

/// Whether a side's SDP asks for encryption: what may arrive beside RTP depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// RTP/AVP or RTP/AVPF: RTP, RTCP and keep-alives. STUN and DTLS have no business there.
    #[default]
    Plain,
    /// SRTP of any kind: STUN, DTLS and what else the parties agree on passes unread.
    Protected,
}

/// Where a side wants its packets, and from where it may send them.
///
/// `rtp == rtcp` says that the side multiplexes (RFC 5761). An unspecified address
/// (`c=IN IP4 0.0.0.0`) or port 0 says that nothing may be sent to that component for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// From the SDP's `c=` and `m=`.
    pub rtp: SocketAddr,
    /// From `a=rtcp` (RFC 3605), or the port above `rtp`, or `rtp` itself.
    pub rtcp: SocketAddr,
    /// Source of the signalling that carried the SDP. A party behind NAT sends its media from
    /// here and not from the address in its SDP.
    pub signalled_from: IpAddr,
    /// For how long after this call a packet from the SDP's IP or from `signalled_from`, with
    /// any port, may become the learned source. The exact SDP address may at any time.
    pub learn_window: Duration,
    /// Whether its SDP asks for encryption.
    pub profile: Profile,
    /// Whether it wants media at all: false for `sendonly` and `inactive` (RFC 3264 section
    /// 8.4). It is sent reports in any case.
    pub receives: bool,
    /// Whether it receives where it sends from (symmetric RTP, RFC 4961), so that the learned
    /// source is where its packets go. If not, they go where the SDP says, whatever is learned.
    pub symmetric: bool,
    /// Clock of the timestamps of the RTP that it sends, in Hz, as offer and answer have it; 0 if
    /// that is not known. Its jitter is taken by it.
    #[serde(default)]
    pub clock_hz: u32,
}

impl Remote {
    /// A side in plain symmetric RTP that wants media.
    #[must_use]
    pub const fn new(
        rtp: SocketAddr,
        rtcp: SocketAddr,
        signalled_from: IpAddr,
        learn_window: Duration,
    ) -> Remote {
        Remote {
            rtp,
            rtcp,
            signalled_from,
            learn_window,
            profile: Profile::Plain,
            receives: true,
            symmetric: true,
            clock_hz: 0,
        }
    }

    /// Whether RTP and RTCP share one port (RFC 5761).
    #[must_use]
    pub fn is_multiplexed(&self) -> bool {
        self.rtp == self.rtcp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_keeps_its_parts() {
        let id = PairId::new(255, u32::MAX, 0x00ff_fffe);
        assert_eq!(
            (id.thread(), id.generation(), id.row()),
            (255, u32::MAX, 0x00ff_fffe)
        );
        let id = PairId::new(1, 2, 3);
        assert_eq!((id.thread(), id.generation(), id.row()), (1, 2, 3));
        assert_ne!(PairId::new(1, 2, 3), PairId::new(1, 3, 3));
    }
}
